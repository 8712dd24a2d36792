"""Tasks and callbacks whose scheduler is another, or dead."""

import uuid
from uuid import UUID

import pytest
from airflow.utils.state import CallbackState, TaskInstanceState
from odd_inputs import Orphaned

from tradewind import _compat

BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)


@BOTH_WAYS
def test_an_orphan_is_followed_to_its_end(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
    heir = type(scheduler)(scheduler.cluster)
    heir.rows = scheduler.rows
    with heir.started() as executor:
        lost = Orphaned(scheduler.a_task(task_id="lost"))
        assert executor.try_adopt_task_instances([Orphaned(workload), lost]) == [lost]
        assert executor.running == {workload.key}
        heir.set_state(workload, "success")
        heir.ends(name)
        heir.until(lambda: executor.event_buffer)
        assert heir.events() == {workload.key: TaskInstanceState.SUCCESS}


def upstreams_pod(workload, *, name="upstream-pod", worker="3"):
    ti = workload.ti
    identity = {
        "dag_id": ti.dag_id,
        "task_id": ti.task_id,
        "run_id": ti.run_id,
        "try_number": str(ti.try_number),
    }
    labels = identity | {"kubernetes_executor": "True", "airflow-worker": worker}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": identity},
        "spec": {"containers": [{"name": "base", "image": "worker"}]},
    }


@BOTH_WAYS
def test_a_callback_of_a_dead_scheduler_is_followed_to_its_end(scheduler, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__RECONCILE_INTERVAL", "1")
    workload = scheduler.a_callback()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
    heir = type(scheduler)(scheduler.cluster)
    keys = {UUID(workload.callback.id): workload.key}
    monkeypatch.setattr(_compat, "abandoned_keys", lambda _: keys)
    with heir.started() as executor:
        heir.until(lambda: workload.key in executor.running)
        heir.ends(name)
        heir.until(lambda: executor.event_buffer)
        assert heir.events() == {workload.key: CallbackState.SUCCESS}
        assert executor.running == set()


def test_a_pod_of_upstreams_executor_is_taken_over(scheduler):
    workload = scheduler.a_task(external_executor_id="3")
    with scheduler.started() as executor:
        scheduler.on_loop(scheduler.cluster.create_pod("default", upstreams_pod(workload)))
        assert executor.try_adopt_task_instances([Orphaned(workload)]) == []
        labels = scheduler.raw("upstream-pod")["metadata"]["labels"]
        assert labels["tradewind/launch-id"] == str(workload.ti.id)
        assert labels["airflow-worker"] == "7", "upstream could have it back"
        scheduler.set_state(workload, "running")
        scheduler.ends("upstream-pod", 137, reason="OOMKilled")
        scheduler.until(lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == TaskInstanceState.FAILED
    assert "OOMKilled" in info


def test_a_pod_of_another_try_is_not_taken_over(scheduler):
    earlier = scheduler.a_task(try_number=1, external_executor_id="3")
    orphan = Orphaned(scheduler.a_task(try_number=2, external_executor_id=str(uuid.uuid4())))
    with scheduler.started() as executor:
        scheduler.on_loop(scheduler.cluster.create_pod("default", upstreams_pod(earlier)))
        assert executor.try_adopt_task_instances([orphan]) == [orphan]
