"""The executor under functions of Airflow's own scheduler, on real rows and a real API server."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from airflow.callbacks.database_callback_sink import DatabaseCallbackSink
from airflow.executors.workloads import ExecuteCallback
from airflow.jobs.job import Job, JobState
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.callback import Callback, CallbackFetchMethod, CallbackKey, ExecutorCallback
from airflow.models.connection_test import ConnectionTestRequest, ConnectionTestState
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.definitions.callback import SyncCallback
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState, DagRunState, TaskInstanceState
from scheduler_side import a_pod, a_row, queue, started, synced
from sqlalchemy import select, update

from tradewind import _compat
from tradewind.dispatch.hooks import Abandoned, Stray
from tradewind.dispatch.settle import TaskFacts
from tradewind.testing.builders import a_task, base_ended, base_running

pytestmark = pytest.mark.usefixtures("database", "configured")


def a_job(state):
    with create_session() as session:
        job = Job(job_type="SchedulerJob", state=state)
        session.add(job)
        session.flush()
        session.expunge(job)
        return job


@pytest.fixture
def runner():
    """Return a function that makes a scheduler of Airflow's around an executor."""

    def make(executor):
        executor.callback_sink = DatabaseCallbackSink()
        return SchedulerJobRunner(job=a_job(JobState.RUNNING), executors=[executor])

    return make


def write(ti, **columns):
    with create_session() as session:
        session.execute(
            update(DagRun).where(DagRun.dag_id == ti.dag_id).values(state=DagRunState.RUNNING)
        )
        session.execute(
            update(TaskInstance).where(TaskInstance.dag_id == ti.dag_id).values(**columns)
        )


def read(ti):
    with create_session() as session:
        row = session.scalar(select(TaskInstance).where(TaskInstance.dag_id == ti.dag_id))
        session.expunge(row)
        return row


async def test_airflow_keeps_what_is_adopted_and_resets_what_is_not(
    real_cluster, node, namespace, runner
):
    ti, lost = a_row(), a_row()
    with started() as dead:
        queue(dead, ti)
        pod = await a_pod(real_cluster, namespace)
        await node.set_status(namespace, pod.metadata.name, base_running())
    gone = a_job(JobState.FAILED)
    for row in (ti, lost):
        write(row, queued_by_job_id=gone.id, state=TaskInstanceState.RUNNING)
    with started() as heir:
        scheduler = runner(heir)
        scheduler.adopt_or_reset_orphaned_tasks()
        assert heir.running == {ti.key}
    kept, reset = read(ti), read(lost)
    assert (kept.id, kept.state) == (ti.id, TaskInstanceState.RUNNING)
    assert kept.queued_by_job_id == scheduler.job.id
    assert kept.external_executor_id == ti.external_executor_id
    assert (reset.state, reset.external_executor_id) == (None, None)
    assert reset.id != lost.id


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def test_a_task_whose_heartbeats_stopped_loses_its_pod(real_cluster, namespace, runner):
    ti = a_row()
    with started() as executor:
        scheduler = runner(executor)
        queue(executor, ti)
        await a_pod(real_cluster, namespace)
        write(
            ti,
            queued_by_job_id=scheduler.job.id,
            state=TaskInstanceState.RUNNING,
            last_heartbeat_at=LONG_AGO,
        )
        scheduler._find_and_purge_task_instances_without_heartbeats()
        await a_pod(real_cluster, namespace, count=0)
        assert executor.get_event_buffer()[ti.key][0] == TaskInstanceState.FAILED
        assert executor.running == set()


async def test_a_task_stuck_in_queued_loses_its_pod_and_is_queued_again(
    real_cluster, namespace, runner
):
    ti = a_row()
    with started() as executor:
        scheduler = runner(executor)
        queue(executor, ti)
        await a_pod(real_cluster, namespace)
        write(ti, queued_by_job_id=scheduler.job.id, queued_dttm=LONG_AGO)
        scheduler._handle_tasks_stuck_in_queued()
        await a_pod(real_cluster, namespace, count=0)
        executor.heartbeat()
        assert executor.get_event_buffer() == {}
        assert executor.running == set()
    assert read(ti).state == TaskInstanceState.SCHEDULED


async def test_airflow_hands_a_deadlines_callback_over(real_cluster, node, namespace, runner):
    ti = a_row()
    with create_session() as session:
        dag_run = session.scalar(select(DagRun).where(DagRun.dag_id == ti.dag_id))
        callback = ExecutorCallback(
            SyncCallback("alerts.page_somebody", {}), fetch_method=CallbackFetchMethod.IMPORT_PATH
        )
        callback.data |= {"dag_run_id": str(dag_run.id), "dag_id": ti.dag_id}
        callback.state = CallbackState.PENDING
        session.add(callback)
        session.flush()
        callback_id = callback.id
    with started() as executor:
        with create_session() as session:
            runner(executor)._enqueue_executor_callbacks(session)
        executor.heartbeat()
        pod = await a_pod(real_cluster, namespace)
        assert pod.metadata.labels["tradewind/launch-id"] == str(callback_id)
        assert pod.metadata.labels["dag_id"] == ti.dag_id
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(executor, lambda: not executor.running)


async def test_airflow_hands_a_connection_test_over_and_takes_it_back(
    real_cluster, namespace, runner
):
    with create_session() as session:
        request = ConnectionTestRequest(connection_id="warehouse", conn_type="http")
        session.add(request)
        session.flush()
        request_id = request.id
    with started() as executor:
        scheduler = runner(executor)
        with create_session() as session:
            scheduler._enqueue_connection_tests(session=session)
        executor.heartbeat()
        pod = await a_pod(real_cluster, namespace)
        assert pod.metadata.labels["tradewind/launch-id"] == str(request_id)
        with create_session() as session:
            assert session.get(ConnectionTestRequest, request_id).state == "queued"
            session.execute(
                update(ConnectionTestRequest)
                .where(ConnectionTestRequest.id == request_id)
                .values(updated_at=LONG_AGO)
            )
        scheduler._reap_stale_connection_tests()
        await a_pod(real_cluster, namespace, count=0)
        assert executor.running == set()
    with create_session() as session:
        assert session.get(ConnectionTestRequest, request_id).state == ConnectionTestState.FAILED


async def test_a_connection_test_whose_pod_fails_says_why(real_cluster, node, namespace, runner):
    with create_session() as session:
        request = ConnectionTestRequest(connection_id="other", conn_type="http")
        session.add(request)
        session.flush()
        request_id = request.id
    with started() as executor:
        with create_session() as session:
            runner(executor)._enqueue_connection_tests(session=session)
        executor.heartbeat()
        pod = await a_pod(real_cluster, namespace)
        status = base_ended(137, reason="OOMKilled")
        await node.set_status(namespace, pod.metadata.name, status)
        await synced(executor, lambda: not executor.running)
        await synced(executor, lambda: connection_test(request_id)[0] == "failed")
    assert "OOMKilled" in connection_test(request_id)[1]


def connection_test(request_id):
    with create_session() as session:
        request = session.get(ConnectionTestRequest, request_id)
        return request.state, request.result_message


@pytest.mark.parametrize("state", [ConnectionTestState.SUCCESS, ConnectionTestState.PENDING])
def test_a_result_of_a_connection_test_is_never_overwritten(state):
    with create_session() as session:
        request = ConnectionTestRequest(connection_id=f"c-{state}", conn_type="http")
        session.add(request)
        request.state = state
        session.flush()
        request_id = request.id
    _compat.fail_connection_test(str(request_id), "its pod failed")
    _compat.fail_connection_test(str(uuid.uuid4()), "there is no such test")
    assert connection_test(request_id) == (state, None)


def test_strays_are_judged_by_their_present_rows():
    running, resumed, mapped = a_row(), a_row(), a_row()
    write(running, state=TaskInstanceState.RUNNING)
    write(resumed, state=TaskInstanceState.QUEUED, external_executor_id=str(uuid.uuid4()))
    callback_id = a_callback(CallbackState.SUCCESS)
    strays = {
        name: Stray(launch_id=uuid.UUID(ti.external_executor_id), task=_compat.task_ref(ti))
        for name, ti in (("running", running), ("resumed", resumed), ("gone", mapped))
    }
    strays["gone"] = Stray(launch_id=uuid.uuid4(), task=replace(strays["gone"].task, map_index=9))
    earlier_try = Stray(launch_id=uuid.uuid4(), task=replace(strays["resumed"].task, try_number=0))
    callback_stray = Stray(launch_id=callback_id, task=None)
    unknown = Stray(launch_id=uuid.uuid4(), task=None)
    facts = _compat.read_strays([*strays.values(), earlier_try, callback_stray, unknown])
    resumed_row = TaskFacts(state="queued", launch_id=uuid.UUID(read(resumed).external_executor_id))
    assert facts == {
        strays["running"].launch_id: TaskFacts(
            state="running", launch_id=strays["running"].launch_id
        ),
        strays["resumed"].launch_id: resumed_row,
        earlier_try.launch_id: resumed_row,
        callback_id: TaskFacts(state="success", launch_id=callback_id),
    }


def a_callback(state):
    with create_session() as session:
        callback = ExecutorCallback(
            SyncCallback("alerts.page_somebody", {}), fetch_method=CallbackFetchMethod.IMPORT_PATH
        )
        callback.state = state
        session.add(callback)
        session.flush()
        return callback.id


@pytest.mark.parametrize(
    ("job_state", "state", "followed"),
    [
        pytest.param(JobState.FAILED, CallbackState.RUNNING, True, id="its-scheduler-died"),
        pytest.param(JobState.FAILED, CallbackState.QUEUED, True, id="before-it-began"),
        pytest.param(JobState.RUNNING, CallbackState.RUNNING, False, id="its-scheduler-lives"),
        pytest.param(JobState.FAILED, CallbackState.SUCCESS, False, id="it-has-ended"),
    ],
)
def test_only_unfinished_callbacks_of_dead_schedulers_are_abandoned(job_state, state, followed):
    callback_id = a_callback(state)
    workload = a_task(kind="callback")
    scheduler = str(a_job(job_state).id)
    one = Abandoned(launch_id=callback_id, workload=workload, scheduler=scheduler)
    expected = {callback_id: CallbackKey(id=str(callback_id))} if followed else {}
    assert _compat.abandoned_keys([one]) == expected


async def test_a_callback_outlives_its_scheduler(real_cluster, node, namespace, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__RECONCILE_INTERVAL", "1")
    ti, dead = a_row(), a_job(JobState.FAILED)
    callback_id = a_callback(CallbackState.QUEUED)
    with create_session() as session:
        dag_run = session.scalar(select(DagRun).where(DagRun.dag_id == ti.dag_id))
        callback = session.get(Callback, callback_id)
        workload = ExecuteCallback.make(callback, dag_run, generator=None)
    with started(job_id=dead.id) as first:
        first.queue_workload(workload, session=None)
        first.heartbeat()
        pod = await a_pod(real_cluster, namespace)
        await node.set_status(namespace, pod.metadata.name, base_running())
    with started(job_id=a_job(JobState.RUNNING).id) as heir:
        await synced(heir, lambda: workload.key in heir.running)
        await node.set_status(namespace, pod.metadata.name, base_ended(0))
        await synced(heir, lambda: workload.key not in heir.running)
        assert heir.get_event_buffer()[workload.key][0] == CallbackState.SUCCESS
        await a_pod(real_cluster, namespace, count=0)
