from datetime import UTC, datetime

import pytest

from tradewind.dispatch.pool import plan as module
from tradewind.dispatch.pool.members import member_of
from tradewind.dispatch.pool.plan import Create, Delete, Drain, Wanted, plan, sacrifice
from tradewind.testing.builders import a_pod, base_ended, base_running

NOW_S = 1_800_000_000.0
STARTING = {"phase": "Pending"}
MAX_AGE_S = 1000.0


def a_member(uid, *, status=None, age_s=10.0, template="h1", klass="", namespace="tasks", **labels):
    created = datetime.fromtimestamp(NOW_S - age_s, tz=UTC).isoformat()
    return member_of(
        a_pod(
            name=uid,
            uid=uid,
            namespace=namespace,
            creationTimestamp=created,
            labels={"tradewind/pool": "default", "tradewind/template": template}
            | {f"tradewind/{name}": value for name, value in labels.items()},
            status=base_running() if status is None else status,
            spec={"priorityClassName": klass},
        )
    )


def idle(count):
    return [a_member(f"idle-{number}", age_s=10.0 + number) for number in range(count)]


def planned(members, **wanted):
    defaults = {"target": 3, "template": "h1", "max_age_s": MAX_AGE_S}
    return plan(Wanted(**(defaults | wanted)), members, now_s=NOW_S)


def said(actions):
    return [
        action if isinstance(action, Create) else (type(action), action.member.uid, action.reason)
        for action in actions
    ]


@pytest.mark.parametrize(
    ("members", "wanted", "expected"),
    [
        pytest.param(0, {}, [Create(3)], id="empty-pool-fills"),
        pytest.param(2, {}, [Create(1)], id="only-what-is-missing"),
        pytest.param(3, {}, [], id="full-pool-rests"),
        pytest.param(0, {"target": 50}, [Create(module.CREATE_BATCH)], id="a-batch-at-most"),
        pytest.param(0, {"may_create": 1}, [Create(1)], id="as-much-as-there-is-room-for"),
        pytest.param(0, {"may_create": 0}, [], id="no-room"),
        pytest.param(0, {"unseen": 1}, [], id="unseen-creates-block-planning"),
        pytest.param(
            3, {"claiming": frozenset({"idle-0"})}, [], id="a-claim-under-way-may-still-fail"
        ),
        pytest.param(
            3, {"draining": frozenset({"idle-0"})}, [Create(1)], id="a-drain-makes-room-for-another"
        ),
    ],
)
def test_plan_moves_pool_towards_size(members, wanted, expected):
    assert planned(idle(members), **wanted) == expected


def test_pods_that_start_count_as_there():
    assert planned([a_member("s", status=STARTING)], target=1) == []


def test_of_too_many_those_that_start_go_first_and_then_the_oldest():
    members = [*idle(3), a_member("s", status=STARTING)]
    assert said(planned(members, target=2)) == [
        (Drain, "idle-2", "surplus"),
        (Drain, "s", "surplus"),
    ]


def test_nothing_is_surplus_while_creates_are_unseen():
    assert planned(idle(5), target=2, unseen=1) == []


def test_a_pool_of_no_size_is_emptied():
    assert len(planned(idle(8), target=0)) == 8


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"template": "h0"}, (Drain, "m", "stale"), id="other-template"),
        pytest.param({"template": "h0", "status": STARTING}, (Drain, "m", "stale"), id="starting"),
        pytest.param({"klass": "other"}, (Drain, "m", "stale"), id="other-priority-class"),
        pytest.param({"status": base_ended(1)}, (Delete, "m", "ended without a launch"), id="dead"),
        pytest.param({"draining": "true"}, (Delete, "m", "drained"), id="left-by-another-refiller"),
    ],
)
def test_a_pod_that_can_serve_nobody_goes_and_is_replaced(changed, expected):
    member = a_member("m", **({"klass": "idle"} | changed))
    assert said(planned([member], target=1, priority_class="idle")) == [expected, Create(1)]


def test_what_is_stale_goes_even_while_creates_are_unseen():
    members = [a_member("m", template="h0")]
    assert said(planned(members, unseen=2)) == [(Drain, "m", "stale")]


@pytest.mark.parametrize("changed", [{"launch-id": "l"}, {"launch-id": "l", "draining": "true"}])
def test_a_claimed_pod_is_left_alone(changed):
    claimed = a_member("m", age_s=10 * MAX_AGE_S, template="h0", **changed)
    assert planned([claimed], target=0) == []


def test_of_old_pods_one_goes_at_a_time():
    members = [a_member(f"m{n}", age_s=MAX_AGE_S + n) for n in range(3)]
    assert said(planned(members)) == [(Drain, "m2", "too old")]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        pytest.param([a_member("s", status=STARTING)], {"target": 2}, id="one-starts"),
        pytest.param([], {"target": 2, "may_create": 0}, id="the-pool-is-short"),
        pytest.param([], {"target": 1, "unseen": 1}, id="creates-are-unseen"),
    ],
)
def test_an_old_pod_stays_until_the_pool_can_do_without_it(more, wanted):
    assert planned([a_member("m", age_s=MAX_AGE_S), *more], **wanted) == []


def test_a_pod_of_twice_the_age_goes_anyway():
    members = [a_member("m", age_s=2 * MAX_AGE_S)]
    assert said(planned(members, may_create=0)) == [(Drain, "m", "too old")]


def test_pods_of_one_age_are_not_replaced_all_at_once():
    ages = [a_member(f"m{n}", age_s=0.9 * MAX_AGE_S) for n in range(40)]
    due = sum(bool(planned([member], target=1)) for member in ages)
    assert 10 <= due <= 30


def test_drains_are_paced():
    members = [a_member(f"m{n}", template="h0") for n in range(50)]
    drains = [a for a in planned(members, may_create=0) if isinstance(a, Drain)]
    assert len(drains) == module.DRAIN_BATCH


def test_pods_on_their_way_out_are_not_told_again():
    pod = a_pod(uid="m", deletionTimestamp="2026-01-01T00:00:00Z", status=base_running())
    assert planned([member_of(pod)], target=0) == []


# -- quota ----------------------------------------------------------------------------------------


def given_up(members, **changed):
    defaults = {"namespace": "tasks", "parked": 1, "claiming": set(), "draining": set()}
    return [member.uid for member in sacrifice(members, **(defaults | changed))]


def test_for_each_launch_that_a_quota_refuses_one_idle_pod_goes():
    members = [*idle(3), a_member("s", status=STARTING)]
    assert given_up(members, parked=2) == ["s", "idle-2"]


@pytest.mark.parametrize(
    ("members", "changed"),
    [
        pytest.param(idle(1), {"namespace": "elsewhere"}, id="another-namespace"),
        pytest.param(idle(1), {"claiming": {"idle-0"}}, id="being-claimed"),
        pytest.param(idle(2), {"draining": {"idle-0"}}, id="one-is-going-already"),
        pytest.param([*idle(1), a_member("d", draining="true")], {}, id="one-is-marked-already"),
        pytest.param([a_member("e", status=base_ended(0))], {}, id="ended-pods-use-no-quota"),
        pytest.param(idle(1), {"parked": 0}, id="nobody-waits"),
    ],
)
def test_no_idle_pod_goes_in_vain(members, changed):
    assert given_up(members, **changed) == []
