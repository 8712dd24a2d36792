import dataclasses
from pathlib import Path

import pytest

from tradewind.pods import pending
from tradewind.pods.causes import Kind
from tradewind.pods.pending import Patience, Pending, PendingClass, Step, Wait

DOC = Path(__file__).parents[4] / "docs" / "failure-reasons.md"
PATIENCE = Patience(image_s=100, unschedulable_s=0, starting_s=200)


def a_pending(klass=PendingClass.IMAGE, **more):
    return Pending(kind=Kind.IMAGE_PULL, sentence="waits", klass=klass, **more)


@pytest.mark.parametrize(
    ("found", "waited_s", "expected"),
    [
        pytest.param(a_pending(), 0, Step.TELL, id="a-failed-pull-is-told-at-once"),
        pytest.param(a_pending(), 99, Step.TELL, id="and-may-heal"),
        pytest.param(a_pending(), 100, Step.GIVE_UP, id="until-its-time-is-over"),
        pytest.param(a_pending(fatal=True), 0, Step.GIVE_UP, id="fatal-needs-no-time"),
        pytest.param(
            a_pending(PendingClass.STARTING, wants_events=True), 29, Step.WAIT, id="a-normal-start"
        ),
        pytest.param(
            a_pending(PendingClass.STARTING, wants_events=True), 30, Step.ASK, id="a-slow-start"
        ),
        pytest.param(a_pending(PendingClass.STARTING), 30, Step.TELL, id="slow-and-explained"),
        pytest.param(
            a_pending(PendingClass.STARTING, wants_events=True), 200, Step.GIVE_UP, id="too-slow"
        ),
        pytest.param(a_pending(PendingClass.CONFIG), 0, Step.TELL, id="a-missing-secret"),
        pytest.param(a_pending(PendingClass.VOLUME), 0, Step.TELL, id="a-failed-mount"),
        pytest.param(a_pending(PendingClass.INIT), 59, Step.WAIT, id="a-normal-preparation"),
        pytest.param(a_pending(PendingClass.INIT), 60, Step.TELL, id="a-long-preparation"),
        pytest.param(
            a_pending(PendingClass.SCHEDULED_NOT_STARTED), 29, Step.WAIT, id="a-kubelet-takes-over"
        ),
        pytest.param(
            a_pending(PendingClass.SCHEDULED_NOT_STARTED), 30, Step.TELL, id="a-silent-kubelet"
        ),
        pytest.param(a_pending(PendingClass.UNSCHEDULABLE), 9, Step.WAIT, id="a-moment-unplaced"),
        pytest.param(a_pending(PendingClass.UNSCHEDULABLE), 1e9, Step.TELL, id="0-waits-for-ever"),
    ],
)
def test_patience(found, waited_s, expected):
    wait = Wait(pending=found, since_s=1000.0)
    assert pending.judge(wait, now_s=1000.0 + waited_s, patience=PATIENCE) is expected


@pytest.mark.parametrize("klass", PendingClass)
def test_every_class_is_given_up_before_airflow_gives_the_task_up_without_a_reason(klass):
    assert 0 < Patience().limit_s(klass) < 600


def test_every_limit_belongs_to_a_class():
    limits = {field.name for field in dataclasses.fields(Patience)}
    assert limits == {f"{klass.value}_s" for klass in PendingClass}


def test_a_wait_lasts_as_long_as_its_class():
    first = pending.follow(None, a_pending(PendingClass.UNSCHEDULABLE), now_s=10.0)
    pulling = pending.follow(first, a_pending(), now_s=500.0)
    again = pending.follow(pulling, a_pending(fatal=True), now_s=520.0)
    assert (first.since_s, pulling.since_s, again.since_s) == (10.0, 500.0, 500.0)
    assert again.pending.fatal
    assert pending.follow(again, None, now_s=530.0) is None


@pytest.mark.parametrize("klass", PendingClass)
def test_the_documentation_names_every_class_with_its_default(klass):
    text = DOC.read_text().partition("waits in one of these classes")[2]
    rows = [line for line in text.splitlines() if line.startswith(f"| `{klass}` |")]
    assert [line.split("|")[3].strip() for line in rows] == [f"{Patience().limit_s(klass):.0f} s"]
