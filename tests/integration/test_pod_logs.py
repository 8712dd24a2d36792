"""Logs of pods: what the client reads, and what is kept of a pod that fails its task."""

import secrets
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow import logging_config
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.taskinstance import TaskInstance
from airflow.utils.log.file_task_handler import FileTaskHandler
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from kubelet import Kubelet
from scheduler_side import a_pod, a_row, queue, set_state, started, synced

from tradewind.client.errors import ApiError
from tradewind.dispatch import last_words
from tradewind.log_view import PodLog
from tradewind.testing.builders import base_ended, base_running
from tradewind.testing.fake_cluster import FakeCluster

LINES = "".join(f"line {number}\n" for number in range(20))


@pytest.fixture
async def kubelet(real_cluster, tmp_path):
    kubelet = Kubelet(tmp_path, f"node-{secrets.token_hex(4)}")
    await real_cluster._call("POST", "/api/v1/nodes", body=kubelet.node)
    yield kubelet
    kubelet.stop()


def a_manifest(node):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"nodeName": node, "containers": [{"name": "base", "image": "worker:1"}]},
    }


@pytest.fixture(params=["fake", "real"])
def rig(request):
    """Return (cluster, namespace, node); a pod `a` on that node writes twenty lines."""
    if request.param == "fake":
        cluster, namespace, node = FakeCluster(), "tasks", "node"
        cluster.logs["a"] = LINES
    else:
        cluster = request.getfixturevalue("real_cluster")
        namespace = request.getfixturevalue("namespace")
        kubelet = request.getfixturevalue("kubelet")
        kubelet.logs["a", "base"] = LINES
        node = kubelet.name
    return cluster, namespace, node


async def test_the_last_lines_are_read(rig):
    cluster, namespace, node = rig
    await cluster.create_pod(namespace, a_manifest(node))
    text = await cluster.read_log(namespace, "a", container="base", tail_lines=2)
    assert text.splitlines() == ["line 18", "line 19"]


async def test_no_more_bytes_are_sent_than_asked_for(rig):
    cluster, namespace, node = rig
    await cluster.create_pod(namespace, a_manifest(node))
    text = await cluster.read_log(namespace, "a", container="base", tail_lines=2, limit_bytes=10)
    assert text == "line 18\nli"


async def test_a_log_of_no_pod_is_404(rig):
    cluster, namespace, _ = rig
    with pytest.raises(ApiError) as caught:
        await cluster.read_log(namespace, "none", container="base", tail_lines=2)
    assert caught.value.is_not_found


@pytest.fixture
def template(configured, kubelet):
    """Let every task's pod be on the node whose kubelet the test plays."""
    path = Path(configured["POD_TEMPLATE_FILE"])
    text = path.read_text()
    path.write_text(text.replace("spec:\n", f"spec:\n  nodeName: {kubelet.name}\n"))


async def fail_one(executor, cluster, node, namespace, kubelet):
    """Launch a task whose pod writes something and is killed; return its row."""
    ti = a_row()
    queue(executor, ti)
    pod = (await a_pod(cluster, namespace)).metadata.name
    set_state(ti, TaskInstanceState.RUNNING)
    kubelet.logs[pod, "base"] = '{"event": "allocating", "level": "info"}\nKilled\n'
    await node.set_status(namespace, pod, base_running())
    await node.set_status(namespace, pod, base_ended(137, reason="OOMKilled"))
    return ti


@pytest.mark.usefixtures("database", "template")
async def test_the_last_lines_of_a_killed_pod_are_in_the_log_view(
    real_cluster, node, namespace, kubelet, monkeypatch, tmp_path
):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__DELETE_WORKER_PODS_ON_FAILURE", "True")
    with started() as executor:
        ti = await fail_one(executor, real_cluster, node, namespace, kubelet)
        await synced(executor, lambda: len(executor._task_event_logs) == 3)
        await a_pod(real_cluster, namespace, count=0)
        with create_session() as session:
            SchedulerJobRunner._process_task_event_logs(executor._task_event_logs, session)
    set_state(ti, TaskInstanceState.FAILED)
    with create_session() as session:
        row = session.get(TaskInstance, ti.id)
        config = SimpleNamespace(logging_config_loaded=True, remote_task_log=PodLog(None))
        monkeypatch.setattr(logging_config, "_ActiveLoggingConfig", config)
        stream, _ = FileTaskHandler(str(tmp_path)).read(row, 1)
        events = [(line.event, getattr(line, "level", None)) for line in stream]
    killed, _ = next(event for event in events if "OOMKilled" in event[0])
    assert killed.startswith("pod failed: ")
    assert ("allocating", "info") in events
    assert "Killed" in [event for event, _ in events]


@pytest.mark.usefixtures("database", "template")
async def test_a_kubelet_that_hangs_holds_up_neither_the_verdict_nor_the_next_task(
    real_cluster, node, namespace, kubelet, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__DELETE_WORKER_PODS_ON_FAILURE", "True")
    monkeypatch.setattr(last_words, "READ_WITHIN_S", 2.0)
    kubelet.answers_after_s = 60
    with started() as executor:
        ti = await fail_one(executor, real_cluster, node, namespace, kubelet)
        await synced(executor, lambda: ti.key in executor.event_buffer)
        # Its log is still being read, and another task comes and ends.
        assert not executor._loop._bridge.stats().deletes
        other = a_row()
        queue(executor, other)
        await synced(executor, lambda: executor._loop._bridge.stats().creates == 2)
        await synced(executor, lambda: executor._loop._bridge.stats().deletes == 1)
    assert kubelet.asked
    assert [row.event for row in executor._task_event_logs] == [
        "pod measured",
        "pod failed",
    ]
