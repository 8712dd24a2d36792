"""Audit rows and callbacks through the very code of Airflow's scheduler that saves them."""

import json
import uuid
from datetime import timedelta

import pytest
from airflow._shared.timezones import timezone
from airflow.cli import cli_parser
from airflow.executors.workloads import ExecuteCallback
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.callback import Callback, ExecutorCallback
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.sdk.definitions.callback import SyncCallback
from airflow.utils.session import create_session
from airflow.utils.state import CallbackState, TaskInstanceState
from scheduler_side import a_pod, a_row, queue, set_state, started, synced
from sqlalchemy import select

from tradewind.contract import Farewell, Measured
from tradewind.testing.builders import base_ended, base_running, base_waiting

pytestmark = pytest.mark.usefixtures("database", "configured")


def save_rows(executor):
    """Do what the scheduler does after each heartbeat, with its own function."""
    with create_session() as session:
        SchedulerJobRunner._process_task_event_logs(executor._task_event_logs, session)


def rows_of(ti):
    with create_session() as session:
        query = select(Log).where(Log.dag_id == ti.dag_id).order_by(Log.id)
        return [
            (row.event, row.task_id, row.run_id, row.try_number, row.map_index, row.extra)
            for row in session.scalars(query)
        ]


async def test_the_cause_of_an_end_is_in_airflows_log_table(real_cluster, node, namespace):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        set_state(ti, TaskInstanceState.RUNNING)
        await node.set_status(namespace, pod.metadata.name, base_ended(137, reason="OOMKilled"))
        await synced(executor, lambda: executor.event_buffer)
        save_rows(executor)
    ((event, task_id, run_id, try_number, map_index, extra),) = [
        row for row in rows_of(ti) if row[0] == "pod failed"
    ]
    assert (event, task_id, run_id, try_number, map_index) == (
        "pod failed",
        "work",
        "manual__1",
        1,
        -1,
    )
    assert "OOMKilled" in extra


@pytest.mark.parametrize("delivery", ["boarding"], indirect=True)
async def test_where_the_time_of_a_launch_went_is_in_airflows_log_table(
    real_cluster, node, namespace, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "300")
    ti = a_row()
    queued = timezone.utcnow() - timedelta(seconds=10)
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        set_state(ti, TaskInstanceState.SUCCESS, queued_dttm=queued)
        farewell = Farewell(ended="ran", run_s=queued.timestamp() + 2.5, peak_memory_bytes=2**28)
        await node.set_status(namespace, pod.metadata.name, base_ended(message=farewell.encode()))
        await synced(executor, lambda: executor.event_buffer)
        save_rows(executor)
    ((event, *_, extra),) = rows_of(ti)
    told = Measured.decode(extra)
    assert event == "pod measured"
    assert (told.temperature, told.run_ms, told.peak_memory_bytes) == ("cold", 2500, 2**28)
    assert told.claimed_ms >= 10_000
    said = " ".join(why(capsys, ti.dag_id, "work").split())
    assert "started 2500 ms after it was queued; peak memory 256Mi" in said


async def test_what_the_dispatcher_notes_is_saved_row_by_row():
    first, second = a_row(), a_row()
    with started() as executor:
        for ti, kind in ((first, "parked"), (first, "pending"), (second, "relaunched")):
            executor._audit.note(kind, ti.key, f"{kind} for a reason")
        executor.heartbeat()
        save_rows(executor)
        executor.heartbeat()
    assert [row[0] for row in rows_of(first)] == ["pod parked", "pod pending"]
    assert [row[0] for row in rows_of(second)] == ["pod relaunched"]


def why(capsys, *words):
    arguments = cli_parser.get_parser().parse_args(["tradewind", "why", *words])
    capsys.readouterr()
    arguments.func(arguments)
    return capsys.readouterr().out


async def test_why_tells_of_a_pod_that_waits(real_cluster, node, namespace, capsys):
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        status = base_waiting("ErrImagePull", "no such tag")
        await node.set_status(namespace, pod.metadata.name, status)
        story = json.loads(why(capsys, ti.dag_id, "work", "--json"))
    (told,) = story["pods"]
    assert story["state"] == "queued"
    assert told["name"] == f"{namespace}/{pod.metadata.name}"
    assert told["state"] == "pending"
    assert "ErrImagePull: no such tag" in told["text"]


async def test_why_tells_of_a_pod_that_is_gone(real_cluster, node, namespace, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    ti = a_row()
    with started() as executor:
        queue(executor, ti)
        pod = await a_pod(real_cluster, namespace)
        set_state(ti, TaskInstanceState.RUNNING)
        await node.set_status(namespace, pod.metadata.name, base_ended(1))
        await synced(executor, lambda: executor.event_buffer)
        save_rows(executor)
    await node.vanish(namespace, pod.metadata.name)
    said = " ".join(why(capsys, ti.dag_id, "work", "manual__1").split())
    assert "task instance is running" in said
    assert "No pod of this try exists" in said
    assert "pod failed" in said
    assert "exit code 1" in said


def test_why_of_an_unknown_task_is_one_sentence_and_a_failure(capsys):
    with pytest.raises(SystemExit) as caught:
        why(capsys, "nowhere", "work", "manual__1")
    assert caught.value.code == 2
    assert "airflow dags list-runs nowhere" in capsys.readouterr().err


def test_why_works_while_the_cluster_does_not(capsys, monkeypatch, tmp_path):
    ti = a_row()
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CONFIG_FILE", str(tmp_path / "missing"))
    story = json.loads(why(capsys, ti.dag_id, "work", "--json"))
    assert story["pods"] == []
    assert "missing" in story["trouble"]


def queued_callback(ti):
    """Store a deadline's callback as the scheduler leaves it, and return its workload."""
    with create_session() as session:
        dag_run = session.scalar(select(DagRun).where(DagRun.dag_id == ti.dag_id))
        callback = ExecutorCallback(
            SyncCallback("alerts.page_somebody", {}), fetch_method="import_path"
        )
        callback.data |= {"dag_run_id": str(dag_run.id), "dag_id": ti.dag_id}
        callback.state = CallbackState.QUEUED
        session.add(callback)
        session.flush()
        return ExecuteCallback.make(callback, dag_run, generator=None)


def process_events(executor):
    with create_session() as session:
        SchedulerJobRunner.process_executor_events(
            executor=executor, job_id=7, scheduler_dag_bag=None, session=session
        )


def stored(workload):
    with create_session() as session:
        callback = session.get(Callback, uuid.UUID(workload.callback.id))
        return callback.state, callback.output


@pytest.mark.parametrize(
    ("exit_code", "state"),
    [(0, CallbackState.SUCCESS), (1, CallbackState.FAILED)],
    ids=["success", "failure"],
)
async def test_a_callbacks_pod_decides_its_row(real_cluster, node, namespace, exit_code, state):
    workload = queued_callback(a_row())
    with started() as executor:
        executor.queue_workload(workload, session=None)
        executor.heartbeat()
        pod = await a_pod(real_cluster, namespace)
        await node.set_status(namespace, pod.metadata.name, base_running())
        await synced(executor, lambda: executor.event_buffer)
        process_events(executor)
        assert stored(workload)[0] == CallbackState.RUNNING
        await node.set_status(namespace, pod.metadata.name, base_ended(exit_code))
        await synced(executor, lambda: executor.event_buffer)
        process_events(executor)
        assert executor.running == set()
    ended, output = stored(workload)
    assert ended == state
    assert (exit_code == 0) == (output is None)
