import asyncio
from datetime import UTC, datetime

import pytest

from tradewind.cleanup import Ages, reason_to_go, sweep
from tradewind.client.errors import ApiError
from tradewind.testing.builders import a_pod, base_ended, base_running
from tradewind.testing.fake_cluster import FakeCluster

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
AGES = Ages(pending_minutes=30, completed_minutes=10)


def ended(minutes_ago, **changed):
    return base_ended(finishedAt=f"2026-01-01T11:{60 - minutes_ago:02d}:00Z") | changed


@pytest.mark.parametrize(
    ("status", "created", "goes"),
    [
        pytest.param(ended(11), "11:00", True, id="ended-long-ago"),
        pytest.param(ended(9), "11:00", False, id="ended-just-now"),
        pytest.param(ended(11, phase="Failed"), "11:00", True, id="failed"),
        pytest.param({"phase": "Failed"}, "11:00", True, id="failed-without-containers"),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted"}, "11:00", True, id="evicted-before-it-began"
        ),
        pytest.param(base_running(), "01:00", False, id="running-is-never-touched"),
        pytest.param({"phase": "Pending"}, "11:29", True, id="pending-too-long"),
        pytest.param({"phase": "Pending"}, "11:31", False, id="pending"),
        pytest.param({"phase": "Unknown"}, "01:00", False, id="unknown"),
    ],
)
def test_age_decides(status, created, goes):
    pod = a_pod(status=status, creationTimestamp=f"2026-01-01T{created}:00Z")
    assert bool(reason_to_go(pod, AGES, now=NOW)) is goes


def test_a_pending_pod_has_five_minutes_whatever_is_asked():
    ages = Ages(pending_minutes=1, completed_minutes=0)
    young = a_pod(status={"phase": "Pending"}, creationTimestamp="2026-01-01T11:56:00Z")
    old = a_pod(status={"phase": "Pending"}, creationTimestamp="2026-01-01T11:54:00Z")
    assert not reason_to_go(young, ages, now=NOW)
    assert reason_to_go(old, ages, now=NOW)


def test_zero_minutes_delete_an_ended_pod_at_once():
    pod = a_pod(status=ended(1), creationTimestamp="2026-01-01T11:00:00Z")
    assert reason_to_go(pod, Ages(pending_minutes=30, completed_minutes=0), now=NOW)


def test_a_pod_without_a_time_counts_as_new():
    assert not reason_to_go(a_pod(status={"phase": "Pending"}), AGES, now=NOW)


TASK = {"dag_id": "d", "task_id": "t", "try_number": "1", "airflow_version": "3"}


def a_cluster(**pods):
    cluster = FakeCluster()
    for name, labels in pods.items():
        metadata = {"name": name, "labels": labels, "creationTimestamp": "2026-01-01T10:00:00Z"}
        manifest = {"metadata": metadata, "status": {"phase": "Succeeded"}}
        asyncio.run(cluster.create_pod("tasks", manifest))
    return cluster


def run(cluster):
    told = []
    count = asyncio.run(sweep(cluster, ["tasks"], AGES, now=NOW, tell=told.append))
    return count, told


def test_pods_of_tasks_and_callbacks_go_and_others_stay():
    ours = {"tradewind/launch-id": "x", "airflow_version": "3"}
    cluster = a_cluster(task=TASK, callback=ours, both=TASK | ours, other={"app": "web"})
    count, told = run(cluster)
    assert cluster.names() == ["other"]
    assert count == 3
    assert min(told) == "deleted pod tasks/both: Succeeded"


def test_a_refused_deletion_is_told_and_the_next_pod_goes():
    cluster = a_cluster(one=TASK, two=TASK)
    cluster.fail("delete", ApiError(403, reason="Forbidden", message="no"))
    count, told = run(cluster)
    assert count == 1
    assert told[0].startswith("cannot delete pod tasks/one: 403")
    assert cluster.names() == ["one"]
