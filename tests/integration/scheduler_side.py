"""What a scheduler has around the executor: task instances' rows, workloads, heartbeats."""

import asyncio
import contextlib
import uuid

from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG, task
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from tradewind.executor import TradewindExecutor


@contextlib.contextmanager
def started(*, job_id=7, kind=TradewindExecutor):
    executor = kind(parallelism=32)
    executor.job_id = job_id
    executor.start()
    try:
        yield executor
    finally:
        executor.end()


def a_row(*, state=TaskInstanceState.QUEUED, execution_timeout=None):
    """Store one task instance with a launch id, as the scheduler's UPDATE leaves it."""
    with create_session() as session:
        return _insert(session, state, execution_timeout)


def stored(dag, session):
    """Store a DAG as the DAG processor does; return its version."""
    from airflow.models.dag import DagModel  # noqa: PLC0415
    from airflow.models.dag_version import DagVersion  # noqa: PLC0415
    from airflow.models.dagbundle import DagBundleModel  # noqa: PLC0415
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.serialization.serialized_objects import LazyDeserializedDAG  # noqa: PLC0415

    if session.get(DagBundleModel, "tests") is None:
        session.add(DagBundleModel(name="tests"))
        session.flush()
    session.add(DagModel(dag_id=dag.dag_id, bundle_name="tests", relative_fileloc="d.py"))
    session.flush()
    SerializedDagModel.write_dag(
        LazyDeserializedDAG.from_dag(dag), bundle_name="tests", session=session
    )
    session.flush()
    return DagVersion.get_latest_version(dag.dag_id, session=session)


def _insert(session, state, execution_timeout):
    from airflow.models.dagrun import DagRun  # noqa: PLC0415
    from airflow.models.serialized_dag import SerializedDagModel  # noqa: PLC0415
    from airflow.utils.types import DagRunTriggeredByType, DagRunType  # noqa: PLC0415

    dag_id = f"dag_{uuid.uuid4().hex[:8]}"
    with DAG(dag_id, schedule=None) as dag:

        @task(execution_timeout=execution_timeout)
        def work():
            """Do nothing."""

        work()
    version = stored(dag, session)
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


def state_of(ti):
    """Return what the row says now."""
    with create_session() as session:
        return session.scalar(select(TaskInstance.state).where(TaskInstance.id == ti.id))


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
