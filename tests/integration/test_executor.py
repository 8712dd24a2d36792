"""The executor as the scheduler uses it: real API server, real database rows, no kubelet."""

import asyncio
import json
import time
import uuid
from uuid import UUID

import pytest
from airflow.utils.state import TaskInstanceState
from scheduler_side import a_pod, a_row, queue, set_state, started, state_of, synced

from tradewind import requeue
from tradewind.executor import TradewindExecutor
from tradewind.testing.builders import base_ended, base_running, base_waiting

pytestmark = pytest.mark.usefixtures("database", "configured")
BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)


@BOTH_WAYS
async def test_a_task_runs_in_one_pod_and_the_pod_goes(real_cluster, node, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        assert pod.metadata.labels["tradewind/launch-id"] == ti.external_executor_id
        assert pod.metadata.annotations["dag_id"] == ti.dag_id
        assert ti.key in executor.running
        await node.set_status(namespace, pod.metadata.name, base_running())
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(executor, lambda: ti.key not in executor.running)
        assert executor.get_event_buffer() == {ti.key: (TaskInstanceState.SUCCESS, None)}
        await a_pod(real_cluster, namespace, count=0)


async def test_the_pods_arguments_carry_the_workload_with_a_fresh_token(real_cluster, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        raw = await real_cluster._call(
            "GET", f"/api/v1/namespaces/{namespace}/pods/{pod.metadata.name}"
        )
    assert str(ti.id).encode() in raw
    assert b'\\"token\\":\\"ey' in raw, "the queued workload had an empty token"


@pytest.mark.parametrize("delivery", ["boarding"], indirect=True)
async def test_a_pod_that_boards_holds_neither_workload_nor_token(real_cluster, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        raw = await real_cluster._call(
            "GET", f"/api/v1/namespaces/{namespace}/pods/{pod.metadata.name}"
        )
    assert b"eyJ" not in raw
    assert pod.metadata.annotations["tradewind/row-id"] == str(ti.id)
    (token,) = [v for v in json.loads(raw)["spec"]["volumes"] if v["name"] == "tradewind-token"]
    assert token["projected"]["sources"][0]["serviceAccountToken"]["audience"] == "tradewind"


@BOTH_WAYS
async def test_a_dead_pod_of_a_running_task_fails_it_with_the_reason(real_cluster, node, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        set_state(ti, TaskInstanceState.RUNNING)
        status = base_ended(137, reason="OOMKilled")
        await node.set_status(namespace, pod.metadata.name, status)
        await synced(executor, lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[ti.key]
    assert state == TaskInstanceState.FAILED
    assert "OOMKilled" in info


@BOTH_WAYS
async def test_a_resumed_task_is_not_ended_by_its_earlier_pod(real_cluster, node, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        first = await a_pod(real_cluster, namespace)
        resumed = str(uuid.uuid4())
        set_state(ti, TaskInstanceState.QUEUED, external_executor_id=resumed)
        ti.external_executor_id = resumed
        queue(executor, ti)
        await a_pod(real_cluster, namespace, count=2)
        await node.set_status(namespace, first.metadata.name, base_ended(0))
        await a_pod(real_cluster, namespace, count=1)
        executor.heartbeat()
        assert executor.get_event_buffer() == {}
        assert ti.key in executor.running


@BOTH_WAYS
async def test_another_scheduler_adopts_what_a_dead_one_left(real_cluster, node, namespace):
    ti, lost = a_row(), a_row()
    with started() as dead:
        queue(dead, ti)
        pod = await a_pod(real_cluster, namespace)
    with started() as heir:
        assert list(heir.try_adopt_task_instances([ti, lost])) == []
        assert (lost.state, lost.try_number) == (TaskInstanceState.SCHEDULED, 1)
        assert lost.key not in heir.running
        assert ti.key in heir.running
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(heir, lambda: heir.event_buffer)
        assert heir.get_event_buffer()[ti.key][0] == TaskInstanceState.SUCCESS
        await a_pod(real_cluster, namespace, count=0)


async def test_a_running_task_without_a_pod_is_the_schedulers_to_reset():
    ti = a_row(state=TaskInstanceState.RUNNING)
    with started() as heir:
        assert list(heir.try_adopt_task_instances([ti])) == [ti]
    assert ti.state == TaskInstanceState.RUNNING


@BOTH_WAYS
async def test_an_adopted_task_that_never_began_goes_back_to_the_scheduler(
    real_cluster, node, namespace
):
    """Nobody has its workload any more; waiting until it is found stuck would take ten minutes."""
    ti = a_row()
    with started() as dead:
        queue(dead, ti)
        pod = await a_pod(real_cluster, namespace)
    with started() as heir:
        assert heir.try_adopt_task_instances([ti]) == []
        await node.set_status(namespace, pod.metadata.name, base_ended(75))
        await synced(heir, lambda: state_of(ti) == TaskInstanceState.SCHEDULED)
        await synced(heir, lambda: ti.key not in heir.running)
        assert heir.get_event_buffer() == {}


@pytest.mark.parametrize("state", sorted(set(TaskInstanceState) - {TaskInstanceState.QUEUED}))
def test_a_task_in_another_state_than_queued_is_left_alone(state):
    ti = a_row(state=state)
    assert not requeue.by_launch(UUID(ti.external_executor_id))
    assert state_of(ti) == state


def test_a_task_that_upstreams_executor_queued_goes_back_by_its_primary_key():
    ti = a_row()
    set_state(ti, TaskInstanceState.QUEUED, external_executor_id=None)
    assert requeue.by_launch(UUID(str(ti.id)))
    assert state_of(ti) == TaskInstanceState.SCHEDULED


def test_a_primary_key_is_no_launch_where_the_row_names_another():
    ti = a_row()
    assert not requeue.by_launch(UUID(str(ti.id)))
    assert state_of(ti) == TaskInstanceState.QUEUED


def test_a_task_that_is_queued_under_another_launch_is_left_alone():
    ti = a_row()
    assert not requeue.by_launch(uuid.uuid4())
    assert state_of(ti) == TaskInstanceState.QUEUED


@BOTH_WAYS
async def test_a_revoked_task_loses_its_pod_without_an_event(real_cluster, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        await a_pod(real_cluster, namespace)
        executor.revoke_task(ti=ti)
        await a_pod(real_cluster, namespace, count=0)
        executor.heartbeat()
        assert executor.get_event_buffer() == {}
        assert ti.key not in executor.running


async def test_a_task_the_scheduler_gives_up_loses_its_pod(real_cluster, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        await a_pod(real_cluster, namespace)
        executor.change_state(ti.key, TaskInstanceState.FAILED)
        await a_pod(real_cluster, namespace, count=0)
        assert executor.get_event_buffer()[ti.key][0] == TaskInstanceState.FAILED


async def test_heartbeats_go_on_while_the_api_server_is_down(
    api_server, real_cluster, node, namespace
):
    ti = a_row()
    with started() as executor:
        api_server.stop()
        began_s = time.process_time()
        queue(executor, ti)
        for _ in range(20):
            executor.heartbeat()
        assert time.process_time() - began_s < 5, "heartbeats spin"
        assert executor.get_event_buffer() == {}
        api_server.start()
        pod = await a_pod(real_cluster, namespace)
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        async with asyncio.timeout(60):
            while not executor.event_buffer:
                executor.heartbeat()
                await asyncio.sleep(0.1)
    assert executor.get_event_buffer()[ti.key][0] == TaskInstanceState.SUCCESS


async def test_a_missing_namespace_fails_the_task_with_the_remedy(monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__NAMESPACE", "nowhere")
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        await synced(executor, lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[ti.key]
    assert state == TaskInstanceState.FAILED
    assert "set [tradewind] namespace" in info


async def test_a_broken_template_fails_the_task_with_the_remedy(tmp_path):
    (tmp_path / "pod.yaml").write_text("kind: Deployment")
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        await synced(executor, lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[ti.key]
    assert "begin it with `kind: Pod`" in info


async def test_the_log_view_tells_why_a_pod_waits(real_cluster, node, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        status = base_waiting("ErrImagePull", "no such tag")
        await node.set_status(namespace, pod.metadata.name, status)
    never_started = TradewindExecutor()
    messages, logs = never_started.get_task_log(ti, 1)
    assert len(messages) == 1
    assert "ErrImagePull: no such tag" in messages[0]
    assert logs == []
