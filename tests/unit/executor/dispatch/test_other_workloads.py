"""Workloads without a task instance: their pod's end is their result."""

import pytest

from tradewind.dispatch.settle import Verdict, settle_by_pod
from tradewind.pods import labels
from tradewind.testing.builders import a_task


@pytest.mark.parametrize(
    ("ended_well", "has_started", "left", "expected"),
    [
        pytest.param(True, True, 3, Verdict.SUCCESS, id="exit-code-0"),
        pytest.param(False, True, 3, Verdict.FAILED, id="failed-at-work"),
        pytest.param(False, False, 3, Verdict.RELAUNCH, id="never-began"),
        pytest.param(False, False, 0, Verdict.FAILED, id="never-began-too-often"),
    ],
)
def test_a_pods_end_is_the_result(ended_well, has_started, left, expected):
    verdict = settle_by_pod(ended_well=ended_well, has_started=has_started, relaunches_left=left)
    assert verdict is expected


def test_what_is_known_of_a_callback_is_on_its_pod_and_nothing_else():
    callback = a_task(kind="callback", run_id="manual__2026-01-01T00:00:00+00:00")
    found = labels.for_task(
        callback, launch_id="x", ordinal=0, airflow_version="3.3.2", scheduler="7"
    )
    assert found.keys() == {
        "dag_id",
        "run_id",
        labels.WORKLOAD,
        labels.LAUNCH_ID,
        labels.ORDINAL,
        "airflow_version",
        "airflow-worker",
    }
    assert found["run_id"] == labels.safe_value(callback.run_id)
    assert labels.annotations_for_task(callback)["run_id"] == callback.run_id


def test_a_connection_tests_pod_names_no_dag():
    test = a_task(kind="connection-test", dag_id="", run_id="")
    found = labels.for_task(test, launch_id="x", ordinal=0, airflow_version="3.3.2", scheduler="7")
    assert "dag_id" not in found
    assert labels.annotations_for_task(test) == {}


@pytest.mark.parametrize(
    ("value", "ordinal"), [("0", 0), ("3", 3), ("", 0), ("-1", 0), ("x", 0), (None, 0)]
)
def test_an_odd_ordinal_counts_as_the_first(value, ordinal):
    found = {} if value is None else {labels.ORDINAL: value}
    assert labels.ordinal_of(found) == ordinal


@pytest.mark.parametrize("task", [a_task(), a_task(map_index=3), a_task(run_id="a b/ü")])
def test_a_pods_annotations_lead_back_to_its_try(task):
    assert labels.task_of(labels.annotations_for_task(task)) == task
