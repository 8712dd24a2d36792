"""The executor as the scheduler uses it: real API server, real database rows, no kubelet."""

import asyncio
import base64
import contextlib
import time
import uuid

import pytest
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState

from tradewind.executor import TradewindExecutor
from tradewind.testing.builders import base_ended, base_running

TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  containers: [{name: base, image: "worker:1"}]
"""


@pytest.fixture(scope="session")
def database():
    from airflow.utils import db  # noqa: PLC0415 - reads the configuration when imported

    db.initdb()


@pytest.fixture
def kubeconfig(api_server, tmp_path):
    certificate = (api_server.folder / "certs" / "apiserver.crt").read_bytes()
    authority = base64.b64encode(certificate).decode()
    path = tmp_path / "kubeconfig"
    path.write_text(f"""
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: c, cluster: {{server: "{api_server.server}",
  certificate-authority-data: {authority}}}}}]
users: [{{name: u, user: {{token: {api_server.token}}}}}]
contexts: [{{name: test, context: {{cluster: c, user: u}}}}]
""")
    return path


@pytest.fixture
def configured(monkeypatch, tmp_path, kubeconfig, namespace):
    template = tmp_path / "pod.yaml"
    template.write_text(TEMPLATE)
    options = {
        "NAMESPACE": namespace,
        "POD_TEMPLATE_FILE": str(template),
        "IN_CLUSTER": "False",
        "CONFIG_FILE": str(kubeconfig),
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__TRADEWIND__{name}", value)
    return options


@contextlib.contextmanager
def started():
    executor = TradewindExecutor(parallelism=32)
    executor.job_id = 7
    executor.start()
    try:
        yield executor
    finally:
        executor.end()


def a_row(*, state=TaskInstanceState.QUEUED):
    """Store one task instance with a launch id, as the scheduler's UPDATE leaves it."""
    with create_session() as session:
        return _insert(session, state)


def _insert(session, state):
    from airflow.models.dag import DagModel  # noqa: PLC0415
    from airflow.models.dag_version import DagVersion  # noqa: PLC0415
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.serialization.serialized_objects import LazyDeserializedDAG  # noqa: PLC0415
    from airflow.utils.types import DagRunTriggeredByType, DagRunType  # noqa: PLC0415

    dag_id = f"dag_{uuid.uuid4().hex[:8]}"
    with DAG(dag_id, schedule=None) as dag:

        @task
        def work():
            """Do nothing."""

        work()
    if session.get(DagBundleModel, "tests") is None:
        session.add(DagBundleModel(name="tests"))
        session.flush()
    session.add(DagModel(dag_id=dag_id, bundle_name="tests", relative_fileloc="d.py"))
    session.flush()
    SerializedDagModel.write_dag(
        LazyDeserializedDAG.from_dag(dag), bundle_name="tests", session=session
    )
    session.flush()
    version = DagVersion.get_latest_version(dag_id, session=session)
    run = DagRun(
        dag_id=dag_id,
        run_id="manual__1",
        run_type=DagRunType.MANUAL,
        triggered_by=DagRunTriggeredByType.TEST,
    )
    session.add(run)
    session.flush()
    serialized = SerializedDagModel.get(dag_id, session=session).dag
    ti = TaskInstance(
        task=serialized.get_task("work"), run_id=run.run_id, dag_version_id=version.id, state=state
    )
    ti.try_number = 1
    ti.external_executor_id = str(uuid.uuid4())
    session.add(ti)
    session.flush()
    session.expunge_all()
    return ti


def a_workload(ti):
    return ExecuteTask(
        ti=TaskInstanceDTO.model_validate(ti, from_attributes=True),
        dag_rel_path="d.py",
        token="",
        log_path="log",
        bundle_info=BundleInfo(name="tests"),
    )


def set_state(ti, state, **columns):
    with create_session() as session:
        row = session.get(TaskInstance, ti.id)
        row.state = state
        for column, value in columns.items():
            setattr(row, column, value)


def queue(executor, ti):
    executor.queue_workload(a_workload(ti), session=None)
    executor.heartbeat()


async def a_pod(cluster, namespace, *, count=1):
    async with asyncio.timeout(10):
        while True:
            page = await cluster.list_pods(namespace, selector="tradewind/launch-id", limit=50)
            if len(page.items) == count:
                return page.items[0] if page.items else None
            await asyncio.sleep(0.02)


async def synced(executor, claim):
    async with asyncio.timeout(10):
        while not claim():
            executor.heartbeat()
            await asyncio.sleep(0.02)


pytestmark = pytest.mark.usefixtures("database", "configured")


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


async def test_another_scheduler_adopts_what_a_dead_one_left(real_cluster, node, namespace):
    ti, lost = a_row(), a_row()
    with started() as dead:
        queue(dead, ti)
        pod = await a_pod(real_cluster, namespace)
    with started() as heir:
        assert list(heir.try_adopt_task_instances([ti, lost])) == [lost]
        assert ti.key in heir.running
        set_state(ti, TaskInstanceState.SUCCESS)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(heir, lambda: heir.event_buffer)
        assert heir.get_event_buffer()[ti.key][0] == TaskInstanceState.SUCCESS
        await a_pod(real_cluster, namespace, count=0)


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
    assert "create it or set [tradewind] namespace" in info


async def test_a_broken_template_fails_the_task_with_the_remedy(tmp_path):
    (tmp_path / "pod.yaml").write_text("kind: Deployment")
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        await synced(executor, lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[ti.key]
    assert "begin it with `kind: Pod`" in info
