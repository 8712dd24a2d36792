import gc

import msgspec
import pytest

from tradewind.client.models import Pod
from tradewind.pods import labels
from tradewind.pods.compact import Compactor
from tradewind.testing.builders import base_running


def decoded(*, launch_id="0b9a6a2e-0000-4000-8000-000000000001", **changed):
    """Return a pod as a watch brings it: no two share a string."""
    document = {
        "metadata": {
            "name": "etl-load",
            "namespace": "airflow",
            "uid": f"uid-of-{launch_id}",
            "resourceVersion": "7",
            "labels": {
                labels.LAUNCH_ID: launch_id,
                labels.ORDINAL: "1",
                "airflow-worker": "3",
                "dag_id": "etl",
                "team": "data",
            },
            "annotations": {
                "dag_id": "etl",
                "task_id": "load",
                "run_id": "manual__2026-11-27T00:00:00",
                "try_number": "1",
                labels.ROW_ID: launch_id,
                "example.com/note": "long",
            },
        },
        "spec": {
            "nodeName": "n1",
            "containers": [
                {
                    "name": "base",
                    "image": "airflow:3",
                    "resources": {"limits": {"memory": "512Mi"}},
                }
            ],
        },
        "status": base_running(),
    } | changed
    return msgspec.json.decode(msgspec.json.encode(document), type=Pod)


def test_nothing_that_the_executor_reads_is_lost():
    before = decoded()
    after = Compactor()(before)
    assert (after.spec, after.status) == (before.spec, before.status)
    assert after.metadata.labels == {
        name: before.metadata.labels[name]
        for name in (labels.LAUNCH_ID, labels.ORDINAL, "airflow-worker")
    }
    assert labels.task_of(after.metadata.annotations) == labels.task_of(before.metadata.annotations)
    assert after.metadata.annotations[labels.ROW_ID] == before.metadata.annotations[labels.ROW_ID]
    for field in ("name", "namespace", "uid", "resource_version", "deletion_timestamp"):
        assert getattr(after.metadata, field) == getattr(before.metadata, field)


def test_what_only_users_select_by_or_note_is_not_kept():
    metadata = Compactor()(decoded()).metadata
    assert not {"team", "dag_id"} & metadata.labels.keys()
    assert "example.com/note" not in metadata.annotations


def every_label_constant():
    return [
        value
        for name, value in vars(labels).items()
        if name.isupper() and isinstance(value, str) and value.startswith("tradewind/")
    ]


@pytest.mark.parametrize(
    "name", sorted(set(every_label_constant()) - {labels.ROW_ID, labels.CLAIMED_AT, labels.KEEP})
)
def test_every_label_of_ours_is_kept(name):
    metadata = decoded().metadata
    pod = msgspec.structs.replace(
        decoded(), metadata=msgspec.structs.replace(metadata, labels={name: "x"})
    )
    assert Compactor()(pod).metadata.labels == {name: "x"}


def test_pods_of_one_shape_share_what_they_have_in_common():
    compact = Compactor()
    first, second = (compact(decoded(launch_id=f"{n:036d}")) for n in (1, 2))
    assert first.spec is second.spec
    assert first.status.container_statuses is second.status.container_statuses
    assert first.metadata.annotations["run_id"] is second.metadata.annotations["run_id"]
    assert first.metadata.labels[labels.LAUNCH_ID] != second.metadata.labels[labels.LAUNCH_ID]


def test_the_garbage_collector_has_no_work_with_kept_pods():
    pod = Compactor()(decoded())
    parts = (pod, pod.metadata, pod.spec, pod.status, *pod.status.container_statuses)
    assert not any(gc.is_tracked(part) for part in parts)


def test_pods_that_differ_stay_different():
    compact = Compactor()
    one = compact(decoded())
    other = compact(decoded(spec={"nodeName": "n2"}, status={"phase": "Pending"}))
    assert (one.spec.node_name, other.spec.node_name) == ("n1", "n2")
    assert (other.status.phase, other.status.container_statuses) == ("Pending", ())


def test_a_million_shapes_are_not_all_remembered(monkeypatch):
    monkeypatch.setattr("tradewind.pods.compact._MOST_KNOWN", 50)
    compact = Compactor()
    for number in range(500):
        compact(decoded(spec={"nodeName": f"n{number}"}))
    assert len(compact._known) <= 50
