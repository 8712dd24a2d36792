"""Nothing that the scheduler calls raises, whatever breaks."""

import pytest
from airflow.executors.base_executor import BaseExecutor
from airflow.utils.state import TaskInstanceState
from odd_inputs import Orphaned, broken

from tradewind import _compat
from tradewind.executor import TradewindExecutor

BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)


class Odd:
    """A task instance that cannot be read, as a detached row is."""

    def __getattr__(self, name):
        raise RuntimeError(f"{name} is not loaded")


@pytest.mark.parametrize("method", ["submit", "revoke", "adopt"])
def test_a_broken_bridge_costs_its_task_and_nothing_else(scheduler, monkeypatch, method):
    one, other = scheduler.a_task(), scheduler.a_task(task_id="other")
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, method, broken)
        scheduler.queue(one)
        executor.revoke_task(ti=Orphaned(one))
        executor.change_state(one.key, TaskInstanceState.FAILED)
        executor.try_adopt_task_instances([Orphaned(other)])
        executor.heartbeat()
        assert one.key not in executor.running


def test_an_adoption_that_breaks_trusts_every_task_to_have_its_pod(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "adopt", broken)
        assert executor.try_adopt_task_instances([Orphaned(workload)]) == []
        assert executor.running == {workload.key}


def test_a_launch_the_bridge_refuses_fails_its_task_with_the_reason(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "submit", broken)
        scheduler.queue(workload)
        state, info = executor.get_event_buffer()[workload.key]
    assert state == TaskInstanceState.FAILED
    assert info == "cannot launch: broken on purpose"


@pytest.mark.parametrize(
    ("executor_config", "remedy"),
    [
        pytest.param({"pod_override": {"spec": {}}}, "give a kubernetes.client", id="no-pod"),
        pytest.param({"pod_template_file": "/nowhere.yaml"}, "cannot read", id="no-file"),
    ],
)
def test_an_unusable_executor_config_fails_its_task_alone(scheduler, executor_config, remedy):
    bad = scheduler.a_task(executor_config=executor_config)
    good = scheduler.a_task(task_id="good", executor_config=None)
    with scheduler.started() as executor:
        scheduler.queue(bad)
        scheduler.queue(good)
        scheduler.until(lambda: executor.event_buffer)
        (key, (state, info)) = executor.get_event_buffer().popitem()
        assert (key, state) == (bad.key, TaskInstanceState.FAILED)
        assert remedy in info
        assert scheduler.pod().startswith("etl-good-")


def test_an_executor_config_that_is_no_dict_fails_its_task(scheduler):
    workload = scheduler.a_task()
    workload.ti.executor_config = ["surprise"]
    with scheduler.started() as executor:
        scheduler.queue(workload)
        _, info = executor.get_event_buffer()[workload.key]
    assert "give a dict" in info


def test_a_broken_template_fails_the_task_with_the_remedy(scheduler, template):
    template.write_text("kind: Deployment")
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.until(lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[workload.key]
    assert "begin it with `kind: Pod`" in info


def test_a_missing_signing_key_fails_the_task_and_not_the_scheduler(scheduler, monkeypatch):
    monkeypatch.setattr(TradewindExecutor, "jwt_generator", property(broken))
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        scheduler.until(lambda: executor.event_buffer)
        _, info = executor.get_event_buffer()[workload.key]
    assert "broken on purpose" in info


def test_a_database_that_is_down_delays_an_end_and_loses_none(scheduler, monkeypatch):
    workload = scheduler.a_task()
    reads = []

    def once_down(row_ids):
        reads.append(row_ids)
        if len(reads) == 1:
            raise RuntimeError("connection refused")
        return scheduler.read_facts(row_ids)

    monkeypatch.setattr(_compat, "read_facts", once_down)
    monkeypatch.setattr("tradewind.dispatch.settlement.FIRST_RETRY_S", 0.05)
    with scheduler.started() as executor:
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "success")
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {workload.key: TaskInstanceState.SUCCESS}
    assert len(reads) == 2


def test_an_outcome_that_cannot_be_reported_does_not_stop_the_next(scheduler, monkeypatch):
    first, second = scheduler.a_task(), scheduler.a_task(task_id="second")
    with scheduler.started() as executor:
        reported = TradewindExecutor.success

        def success(self, key, info=None):
            if key == first.key:
                broken()
            reported(self, key, info)

        monkeypatch.setattr(TradewindExecutor, "success", success)
        for number, workload in enumerate((first, second)):
            scheduler.queue(workload)
            scheduler.pod(number)
            scheduler.set_state(workload, "success")
        for name in list(scheduler.cluster.names()):
            scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        assert scheduler.events() == {second.key: TaskInstanceState.SUCCESS}


def test_a_task_instance_that_cannot_be_read_is_left_to_the_scheduler(scheduler):
    odd, readable = Odd(), Orphaned(scheduler.a_task())
    with scheduler.started() as executor:
        executor.revoke_task(ti=odd)
        assert executor.try_adopt_task_instances([odd, readable]) == [odd, readable]
        assert executor.running == set()


def test_before_start_the_scheduler_gets_no_exception(scheduler):
    executor, orphan = scheduler.executor, Orphaned(scheduler.a_task())
    executor.heartbeat()
    executor.revoke_task(ti=orphan)
    executor.change_state(orphan.key, TaskInstanceState.FAILED)
    executor.try_adopt_task_instances([orphan])
    executor.end()


def test_every_call_of_the_scheduler_is_overridden_or_harmless():
    inherited = {"end", "terminate", "revoke_task", "_process_workloads", "sync", "start"}
    inherited |= {"try_adopt_task_instances", "get_task_log", "change_state"}
    assert inherited <= vars(TradewindExecutor).keys()
    assert TradewindExecutor.queue_workload is BaseExecutor.queue_workload


# -- a loop that dies ------------------------------------------------------------------------------


@BOTH_WAYS
def test_launches_outlive_the_loop_that_had_them(scheduler):
    first, second = scheduler.a_task(), scheduler.a_callback()
    with scheduler.started() as executor:
        scheduler.queue(first)
        name = scheduler.pod()
        scheduler.kill_loop()
        executor.queue_workload(second, session=None)
        executor.heartbeat()
        assert executor.running == {first.key, second.key}
        callback = scheduler.pod(1)
        assert scheduler.cluster.count("create") == 2, "the first pod was found, not made again"
        scheduler.set_state(first, "success")
        scheduler.ends(name)
        scheduler.ends(callback)
        scheduler.until(lambda: not executor.running)
        assert set(scheduler.events().values()) == {TaskInstanceState.SUCCESS}


def test_while_the_loop_is_dead_nothing_raises_and_nothing_fails(scheduler, monkeypatch):
    one, other = scheduler.a_task(), scheduler.a_task(task_id="other")
    with scheduler.started() as executor:
        scheduler.kill_loop()
        monkeypatch.setattr(executor._loop, "start", broken)
        scheduler.queue(one)
        executor.heartbeat()
        executor.revoke_task(ti=Orphaned(one))
        assert executor.try_adopt_task_instances([Orphaned(other)]) == []
        assert executor.running == {other.key}
        assert scheduler.events() == {}
