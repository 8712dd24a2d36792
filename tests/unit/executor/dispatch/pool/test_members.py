import random

import pytest

from tradewind.dispatch.pool.members import Standing, choose, member_of
from tradewind.testing.builders import a_pod, base_ended, base_running, base_waiting

IDLE = {"tradewind/pool": "default", "tradewind/template": "h1"}


def a_member(uid="u1", *, labels=IDLE, status=None, created="2026-01-01T00:00:00Z", **metadata):
    return member_of(
        a_pod(
            name=uid,
            uid=uid,
            labels=labels,
            creationTimestamp=created,
            status=base_running() if status is None else status,
            **metadata,
        )
    )


@pytest.mark.parametrize(
    ("labels", "status", "more", "expected"),
    [
        pytest.param({}, {}, {}, Standing.STARTING, id="just-created"),
        pytest.param({}, base_waiting("ContainerCreating"), {}, Standing.STARTING, id="starting"),
        pytest.param({}, base_running(), {}, Standing.IDLE, id="running"),
        pytest.param({}, base_running(started=False), {}, Standing.STARTING, id="importing"),
        pytest.param({}, base_running(started=True), {}, Standing.IDLE, id="waiting"),
        pytest.param(
            {"tradewind/draining": "true"}, base_running(), {}, Standing.DRAINING, id="marked"
        ),
        pytest.param(
            {},
            base_running(),
            {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            Standing.DRAINING,
            id="deleted-by-somebody",
        ),
        pytest.param({}, base_ended(1), {}, Standing.ENDED, id="crashed"),
        pytest.param(
            {}, {"phase": "Failed", "reason": "Evicted"}, {}, Standing.ENDED, id="evicted"
        ),
        pytest.param(
            {"tradewind/launch-id": "l"}, base_running(), {}, Standing.CLAIMED, id="claimed"
        ),
        pytest.param(
            {"tradewind/launch-id": "l", "tradewind/draining": "true"},
            base_running(),
            {},
            Standing.CLAIMED,
            id="a-launch-id-weighs-most",
        ),
    ],
)
def test_labels_and_status_tell_where_a_pod_stands(labels, status, more, expected):
    assert a_member(labels=IDLE | labels, status=status, **more).standing is expected


def test_the_oldest_idle_pod_of_the_shape_is_chosen():
    members = [
        a_member("young", created="2026-01-01T00:00:09Z"),
        a_member("old", created="2026-01-01T00:00:01Z"),
        a_member("older-but-other", labels=IDLE | {"tradewind/template": "h2"}),
    ]
    assert choose(members, template="h1", busy=set()).uid == "old"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"status": base_waiting("ContainerCreating")}, id="starting"),
        pytest.param({"status": base_ended(0)}, id="ended"),
        pytest.param({"labels": IDLE | {"tradewind/draining": "true"}}, id="draining"),
        pytest.param({"labels": IDLE | {"tradewind/launch-id": "l"}}, id="claimed"),
        pytest.param({"deletionTimestamp": "2026-01-01T00:00:00Z"}, id="deleted"),
        pytest.param({"labels": IDLE | {"tradewind/template": "h2"}}, id="other-shape"),
        pytest.param({"uid": "busy"}, id="being-claimed"),
    ],
)
def test_a_pod_that_cannot_serve_is_not_chosen(changed):
    assert choose([a_member(**changed)], template="h1", busy={"busy"}) is None


def test_while_others_want_the_oldest_too_any_will_do():
    members = [a_member(f"u{number}") for number in range(50)]
    rng = random.Random(1)
    chosen = [choose(members, template="h1", busy=set(), at_random=rng).uid for _ in range(10)]
    assert len(set(chosen)) > 5
    assert choose([], template="h1", busy=set(), at_random=rng) is None
