"""What the audit log of a task says."""

import pytest
from odd_inputs import broken

from tradewind.client.errors import ApiError

BOTH_WAYS = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)


def test_the_cause_of_an_end_is_in_the_audit_log(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "running")
        scheduler.cluster.logs[name] = "allocating\nKilled"
        scheduler.ends(name, 137, reason="OOMKilled")
        scheduler.until(lambda: len(scheduler.audit()) == 3)
    rows = dict(scheduler.audit())
    assert "OOMKilled" in rows["pod failed"]
    assert rows["pod log"] == "allocating\nKilled"
    assert '"killed_for_memory": true' in rows["pod measured"]


def test_a_workload_that_cannot_be_launched_is_in_the_audit_log(scheduler, monkeypatch):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        monkeypatch.setattr(executor._loop._bridge, "submit", broken)
        scheduler.queue(workload)
    assert scheduler.audit() == [("pod refused", "cannot launch: broken on purpose")]


@BOTH_WAYS
def test_a_pod_that_is_refused_is_told_once(scheduler):
    refusal = ApiError(422, reason="Invalid", message="spec.nodeName: too long")
    scheduler.cluster.fail("create", refusal)
    with scheduler.started() as executor:
        scheduler.queue(scheduler.a_task())
        scheduler.until(lambda: executor.event_buffer)
    ((event, text),) = scheduler.audit()
    assert event == "pod refused"
    assert "spec.nodeName: too long" in text


def test_a_pod_that_is_replaced_is_told_and_its_task_goes_on(scheduler):
    workload = scheduler.a_task()
    with scheduler.started():
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.ends(name, 128, startedAt=None, reason="StartError")
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod relaunched"
    assert "StartError" in text


def test_a_pod_that_waits_is_told_while_it_waits(scheduler, monkeypatch):
    monkeypatch.setattr("tradewind.dispatch.pending.LOOK_EVERY_S", 0.05)
    with scheduler.started():
        scheduler.queue(scheduler.a_task())
        scheduler.waits(scheduler.pod(), "ErrImagePull", "no such tag")
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod pending"
    assert "ErrImagePull" in text


def test_a_task_that_waits_for_quota_is_told_and_goes_on(scheduler):
    full = ApiError(403, reason="Forbidden", message="exceeded quota: pods, used: 10")
    scheduler.cluster.fail("create", full)
    with scheduler.started():
        scheduler.queue(scheduler.a_task())
        scheduler.until(scheduler.audit)
        assert scheduler.events() == {}
    ((event, text),) = scheduler.audit()
    assert event == "pod parked"
    assert "exceeded quota" in text


def test_a_healthy_task_has_no_row_in_the_audit_log(scheduler):
    workload = scheduler.a_task()
    with scheduler.started() as executor:
        scheduler.queue(workload)
        name = scheduler.pod()
        scheduler.set_state(workload, "success")
        scheduler.ends(name)
        scheduler.until(lambda: executor.event_buffer)
        executor.heartbeat()
    assert scheduler.audit() == []


def test_a_callback_has_no_row_in_the_audit_log(scheduler):
    with scheduler.started() as executor:
        scheduler.queue(scheduler.a_callback())
        scheduler.ends(scheduler.pod(), 1)
        scheduler.until(lambda: executor.event_buffer)
    assert scheduler.audit() == []
