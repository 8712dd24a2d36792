"""The small tables: what labels say, when a row is open, how often a pod may ask."""

import uuid

import pytest

from tradewind.boarding.fence import is_open
from tradewind.boarding.limits import RateLimit, Seldom
from tradewind.boarding.standing import Claimed, Idle, Leaving, standing_of
from tradewind.testing.builders import a_pod

LAUNCH, ROW = uuid.uuid4(), uuid.uuid4()
POOL = {"tradewind/pool": "default"}
CLAIM = POOL | {"tradewind/launch-id": str(LAUNCH)}
NOTED = {"tradewind/row-id": str(ROW), "tradewind/claimed-at": "12.345"}


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        pytest.param(POOL, {}, Idle(), id="in-a-pool"),
        pytest.param({}, {}, Idle(), id="no-label-at-all"),
        pytest.param(
            POOL | {"tradewind/draining": "true"}, {}, Leaving(reason="draining"), id="told-to-go"
        ),
        pytest.param(
            CLAIM,
            NOTED,
            Claimed(kind="task", launch_id=LAUNCH, row_id=ROW, claimed_s=12.345),
            id="claimed",
        ),
        pytest.param(
            CLAIM | {"tradewind/draining": "true"},
            NOTED,
            Claimed(kind="task", launch_id=LAUNCH, row_id=ROW, claimed_s=12.345),
            id="claimed-before-it-was-told-to-go",
        ),
        pytest.param(
            CLAIM | {"tradewind/overdue": "true"}, NOTED, Leaving(reason="overdue"), id="too-late"
        ),
        pytest.param(
            CLAIM | {"tradewind/workload": "callback"},
            {},
            Claimed(kind="callback", launch_id=LAUNCH, row_id=LAUNCH, claimed_s=None),
            id="callback-is-its-own-row",
        ),
        pytest.param(
            CLAIM | {"tradewind/workload": "connection-test"},
            NOTED,
            Claimed(kind="connection-test", launch_id=LAUNCH, row_id=LAUNCH, claimed_s=12.345),
            id="connection-test-is-its-own-row",
        ),
        pytest.param(
            CLAIM,
            {"tradewind/row-id": str(ROW), "tradewind/claimed-at": "noon"},
            Claimed(kind="task", launch_id=LAUNCH, row_id=ROW, claimed_s=None),
            id="odd-time-of-the-claim",
        ),
        pytest.param(CLAIM, {}, Leaving(reason="unreadable"), id="row-not-named"),
        pytest.param(CLAIM, {"tradewind/row-id": "7"}, Leaving(reason="unreadable"), id="odd-row"),
        pytest.param(
            {"tradewind/launch-id": "x"}, NOTED, Leaving(reason="unreadable"), id="odd-launch"
        ),
        pytest.param(
            CLAIM | {"tradewind/workload": "dance"},
            NOTED,
            Leaving(reason="unreadable"),
            id="workload-of-a-newer-release",
        ),
    ],
)
def test_what_a_pods_labels_say(labels, annotations, expected):
    pod = a_pod(labels=labels, annotations=annotations)
    assert standing_of(pod.metadata) == expected


@pytest.mark.parametrize("labels", [POOL, CLAIM], ids=["idle", "claimed"])
def test_a_pod_that_is_being_deleted_is_gone(labels):
    pod = a_pod(labels=labels, annotations=NOTED, deletionTimestamp="2026-01-01T00:00:00Z")
    assert standing_of(pod.metadata) == Leaving(reason="gone")


@pytest.mark.parametrize(
    ("kind", "state", "expected"),
    [
        pytest.param("task", "queued", True, id="queued"),
        pytest.param("task", "running", False, id="running-task-boards-again"),
        pytest.param("task", "success", False, id="finished"),
        pytest.param("task", "deferred", False, id="deferred"),
        pytest.param("task", "scheduled", False, id="queued-again-soon"),
        pytest.param("task", None, False, id="cleared"),
        pytest.param("callback", "queued", True, id="callback"),
        pytest.param("callback", "running", True, id="callback-whose-pod-runs"),
        pytest.param("callback", "success", False, id="callback-done"),
        pytest.param("connection-test", "queued", True, id="connection-test"),
        pytest.param("connection-test", "running", False, id="connection-test-has-begun"),
        pytest.param("connection-test", "failed", False, id="connection-test-too-late"),
    ],
)
def test_which_rows_are_open(kind, state, expected):
    assert is_open(kind, state=state, owner=LAUNCH, launch_id=LAUNCH) is expected


def test_a_row_of_a_newer_launch_is_not_open():
    assert not is_open("task", state="queued", owner=uuid.uuid4(), launch_id=LAUNCH)


def test_a_pod_may_ask_twice_a_second():
    limit = RateLimit()
    assert [limit.allows("a", now_s=0.0) for _ in range(4)] == [True, True, False, False]
    assert limit.allows("a", now_s=0.5)
    assert not limit.allows("a", now_s=0.6)
    assert [limit.allows("a", now_s=60.0) for _ in range(3)] == [True, True, False]


def test_a_greedy_pod_takes_nothing_from_others():
    limit = RateLimit()
    for _ in range(100):
        limit.allows("greedy", now_s=0.0)
    assert limit.allows("modest", now_s=0.0)


def test_what_is_remembered_of_pods_is_bounded():
    limit = RateLimit()
    for number in range(12_000):
        limit.allows(f"pod-{number}", now_s=0.0)
    assert len(limit._buckets) == 10_000
    assert not [limit.allows("pod-11999", now_s=0.0) for _ in range(2)][-1]


def test_what_happens_often_is_said_once_in_a_while():
    seldom = Seldom(60.0)
    assert [seldom.due("a", now_s=now_s) for now_s in (0, 1, 59, 60, 61)] == [1, 0, 0, 3, 0]
    assert seldom.due("b", now_s=1) == 1
