"""Callbacks and connection tests."""

import pytest
from airflow.utils.state import CallbackState
from odd_inputs import broken

from tradewind import workloads

BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)


@BOTH_WAYS
def test_a_callback_is_reported_running_and_then_by_its_pods_end(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        assert workload.key not in executor.queued_callbacks
        name = scheduler.pod()
        scheduler.runs(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: CallbackState.RUNNING}
        assert workload.key in executor.running
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: CallbackState.SUCCESS}
        assert workload.key not in executor.running


@BOTH_WAYS
def test_a_callback_that_failed_says_why(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: executor.event_buffer)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == CallbackState.FAILED
    assert "exit code 1" in info


@BOTH_WAYS
def test_a_callback_whose_pod_never_began_gets_another(scheduler):
    workload = scheduler.a_callback()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.ends(name, 128, startedAt=None, reason="StartError")
        scheduler.until(lambda: f"{name}-r1" in scheduler.cluster.names())
        assert scheduler.events() == {}


@BOTH_WAYS
def test_a_callbacks_pod_is_known_by_its_dag_and_is_no_task_pod(scheduler):
    context = {"context": {"dag_run": {"dag_run_id": "manual__1"}}}
    workload = scheduler.a_callback(kwargs=context)
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        metadata = scheduler.raw(name)["metadata"]
    assert name.startswith("etl-callback-page-somebody-")
    assert metadata["labels"]["tradewind/workload"] == "callback"
    assert metadata["labels"]["tradewind/launch-id"] == workload.callback.id
    assert metadata["labels"]["dag_id"] == "etl"
    assert metadata["labels"]["run_id"] == "manual__1"
    notes = {k: v for k, v in metadata["annotations"].items() if k != "tradewind/claimed-at"}
    assert notes == {
        "dag_id": "etl",
        "run_id": "manual__1",
        "tradewind/row-id": workload.callback.id,
    }
    assert "kubernetes_executor" not in metadata["labels"], "upstream would try to adopt it"


def test_callbacks_go_before_tasks_up_to_the_free_slots(scheduler):
    executor = scheduler.executor
    executor.parallelism = 1
    with scheduler.started():
        executor.queue_workload(scheduler.a_task(), session=None)
        executor.queue_workload(scheduler.a_callback(), session=None)
        executor.heartbeat()
        assert not executor.queued_callbacks
        assert len(executor.queued_tasks) == 1
        assert "-callback-" in scheduler.pod()


@BOTH_WAYS
def test_a_connection_test_runs_in_a_pod_and_frees_its_slot(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        assert not executor.queued_connection_tests
        name = scheduler.pod()
        assert name.startswith("connection-test-warehouse-")
        labels = scheduler.raw(name)["metadata"]["labels"]
        assert labels["tradewind/workload"] == "connection-test"
        scheduler.ends(name)
        scheduler.until(lambda: workload.key not in executor.running)


@BOTH_WAYS
def test_a_connection_test_without_a_result_gets_its_reason_written(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 137, reason="OOMKilled")
        scheduler.until(lambda: scheduler.failed_tests)
        scheduler.until(lambda: workload.key not in executor.running)
    ((test_id, reason),) = scheduler.failed_tests
    assert test_id == str(workload.connection_test_id)
    assert "OOMKilled" in reason


def test_a_reason_that_cannot_be_written_costs_nothing_else(scheduler, monkeypatch):
    monkeypatch.setattr(workloads, "fail_connection_test", broken)
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: workload.key not in executor.running)
        assert executor._loop.is_alive


@BOTH_WAYS
def test_a_connection_test_that_took_too_long_loses_its_pod(scheduler):
    workload = scheduler.a_connection_test()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.pod()
        executor.fail_connection_test(workload.key)
        scheduler.until(lambda: not scheduler.cluster.names())
        assert executor.running == set()
        assert scheduler.events() == {}
