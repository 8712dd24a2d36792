"""Two executors of one scheduler, each with an API server of its own."""

import contextlib

import pytest
from airflow.utils.state import TaskInstanceState
from kube_apiserver import connect, running, write_kubeconfig
from scheduler_side import a_pod, a_row, queue, set_state, started, synced

from tradewind.executor import TradewindExecutor

pytestmark = pytest.mark.usefixtures("database", "configured")


class GpuCluster(TradewindExecutor):
    section = "gpu_cluster"


@pytest.fixture(scope="module")
def second_api_server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("second-apiserver")) as server:
        yield server


@pytest.fixture
async def second_cluster(second_api_server, namespace):
    cluster = connect(second_api_server)
    await cluster.transport.call(
        "POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}}
    )
    yield cluster
    await cluster.close()


@pytest.fixture
def second_configured(monkeypatch, tmp_path, second_api_server):
    """Set what differs; namespace and template are those of `[tradewind]`."""
    kubeconfig = write_kubeconfig(second_api_server, tmp_path / "second-kubeconfig")
    monkeypatch.setenv("AIRFLOW__GPU_CLUSTER__CONFIG_FILE", str(kubeconfig))


@contextlib.contextmanager
def both():
    with started() as here, started(kind=GpuCluster) as there:
        yield here, there


@pytest.mark.usefixtures("second_configured")
async def test_each_task_runs_in_the_cluster_of_its_executor(
    real_cluster, second_cluster, namespace
):
    of_here, of_there = a_row(), a_row()
    with both() as (here, there):
        queue(here, of_here)
        queue(there, of_there)
        for cluster, ti in ((real_cluster, of_here), (second_cluster, of_there)):
            pod = await a_pod(cluster, namespace)
            assert pod.metadata.labels["tradewind/launch-id"] == ti.external_executor_id


@pytest.mark.usefixtures("second_configured")
async def test_a_cluster_that_is_lost_hurts_no_task_of_the_other(
    real_cluster, second_cluster, second_api_server, namespace
):
    of_here, of_there = a_row(), a_row()
    with both() as (here, there):
        queue(there, of_there)
        there_pod = await a_pod(second_cluster, namespace)
        second_api_server.stop()
        queue(here, of_here)
        pod = await a_pod(real_cluster, namespace)
        there.heartbeat()
        assert there.get_event_buffer() == {}
        set_state(of_here, TaskInstanceState.SUCCESS)
        await real_cluster.delete_pod(namespace, pod.metadata.name, uid=pod.metadata.uid)
        await synced(here, lambda: of_here.key not in here.running)
        second_api_server.start()
        set_state(of_there, TaskInstanceState.SUCCESS)
        await second_cluster.delete_pod(
            namespace, there_pod.metadata.name, uid=there_pod.metadata.uid
        )
        await synced(there, lambda: of_there.key not in there.running)
        assert there.get_event_buffer() == {of_there.key: (TaskInstanceState.SUCCESS, None)}
