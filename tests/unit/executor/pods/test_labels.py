import re
from uuid import UUID

import pytest
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator, make_safe_label_value

from tradewind.pods import labels
from tradewind.testing.builders import a_task


@pytest.mark.parametrize(
    "text", ["plain", "manual__2026-01-01T00:00:00+00:00", "x" * 80, "_edge_", "日本 1", "a/b", ""]
)
def test_label_values_equal_upstreams(text):
    assert labels.safe_value(text) == make_safe_label_value(text)


@pytest.mark.parametrize("text", ["日本", "___", "привет"])
def test_a_text_without_usable_characters_becomes_a_label_that_servers_take(text):
    assert re.fullmatch(r"[0-9a-f]{9}", labels.safe_value(text))
    assert make_safe_label_value(text) == f"-{labels.safe_value(text)}"


def test_upstreams_labels_are_all_there():
    task = a_task(run_id="manual__2026-01-01T00:00:00+00:00", map_index=3)
    theirs = PodGenerator.build_labels_for_k8s_executor_pod(
        dag_id=task.dag_id,
        task_id=task.task_id,
        try_number=task.try_number,
        airflow_worker="7",
        map_index=task.map_index,
        run_id=task.run_id,
        include_version=False,
    )
    ours = labels.for_task(
        task, launch_id=UUID(int=1), ordinal=0, airflow_version="3.3.2", scheduler="7"
    )
    assert theirs.items() <= ours.items()


def test_an_unmapped_task_has_no_map_index():
    ours = labels.for_task(
        a_task(), launch_id=UUID(int=1), ordinal=0, airflow_version="3.3.2", scheduler="7"
    )
    assert "map_index" not in ours
    assert "map_index" not in labels.annotations_for_task(a_task())
