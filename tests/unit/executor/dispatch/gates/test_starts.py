import math
from uuid import UUID

import pytest

from tradewind.dispatch.gates.starts import (
    BRIEF_S,
    FIRST_CLAIMS,
    FIRST_LIMIT,
    LEAST_LIMIT,
    STEP,
    STUCK_AFTER_S,
    Starts,
    next_limit,
)


@pytest.mark.parametrize(
    ("limit", "typical_s", "best_s", "was_full", "is_exploring", "expected"),
    [
        pytest.param(16, 2.0, 2.0, True, False, 16 + STEP, id="holds-and-more-are-wanted"),
        pytest.param(16, 2.0, 2.0, False, False, 16, id="holds-but-nothing-waited"),
        pytest.param(16, 3.9, 2.0, True, False, 16 + STEP, id="a-little-slower-is-noise"),
        pytest.param(16, 4.1, 2.0, True, False, 8, id="markedly-slower"),
        pytest.param(16, 4.1, 2.0, False, False, 8, id="slower-even-though-nothing-waited"),
        pytest.param(LEAST_LIMIT, 60.0, 2.0, True, False, LEAST_LIMIT, id="never-below-the-least"),
        pytest.param(16, 1.4, 0.3, True, False, 16 + STEP, id="tiny-times-need-more-than-a-factor"),
        pytest.param(16, 2.0, 2.0, True, True, 32, id="never-slow-yet-doubles"),
        pytest.param(16, 2.0, 2.0, False, True, 16, id="never-slow-but-nothing-waited"),
        pytest.param(16, 9.0, 2.0, True, True, 8, id="slow-for-the-first-time"),
    ],
)
def test_the_limit_after_a_round(limit, typical_s, best_s, was_full, is_exploring, expected):
    after = next_limit(
        limit, typical_s=typical_s, best_s=best_s, was_full=was_full, is_exploring=is_exploring
    )
    assert after == expected


def simulate(starts, *, capacity, rounds=200):
    """Feed starts to nodes that start `capacity` pods in 2 s each, and more in as much longer."""
    now_s, number = 0.0, 0
    for _ in range(rounds):
        batch = []
        while starts.hold_s(now_s, in_flight=0) == 0:
            number += 1
            starts.begun(UUID(int=number), now_s)
            batch.append(UUID(int=number))
        now_s += 2.0 * max(1.0, len(batch) / capacity)
        for launch_id in batch:
            starts.started(launch_id, now_s)
    return starts.limit


@pytest.mark.parametrize("capacity", [8, 20, 60])
def test_the_learned_limit_settles_between_half_and_two_and_a_half_times_the_capacity(capacity):
    starts = Starts()
    assert starts.limit == FIRST_LIMIT
    assert capacity / 2 <= simulate(starts, capacity=capacity) <= capacity * 2.5


def test_a_large_cluster_is_fed_within_a_few_rounds():
    assert simulate(Starts(), capacity=1000, rounds=7) >= 500


def test_a_fixed_limit_does_not_move():
    starts = Starts(fixed=5)
    assert simulate(starts, capacity=1) == 5


def test_creates_under_way_count_as_starting():
    starts = Starts(fixed=3)
    starts.begun(UUID(int=1), 0)
    assert starts.hold_s(0, in_flight=1) == 0
    assert starts.hold_s(0, in_flight=2) > 0


def test_a_pod_that_starts_for_too_long_stops_holding_others_up():
    starts = Starts(fixed=1)
    starts.begun(UUID(int=1), 0)
    wait_s = starts.hold_s(0, in_flight=0)
    assert wait_s == STUCK_AFTER_S
    assert starts.hold_s(wait_s, in_flight=0) == 0


@pytest.mark.parametrize("way", [Starts.left, lambda s, launch_id: s.started(launch_id, 1.0)])
def test_a_pod_that_left_makes_room(way):
    starts = Starts(fixed=1)
    starts.begun(UUID(int=1), 0)
    way(starts, UUID(int=1))
    assert starts.hold_s(1, in_flight=0) == 0


def test_the_wait_is_finite_so_that_stuck_pods_are_noticed():
    starts = Starts(fixed=1)
    assert not math.isinf(starts.hold_s(0, in_flight=1))


def test_a_running_container_still_starts_until_its_task_begins():
    starts, launch_id = Starts(fixed=1), UUID(int=1)
    starts.begun(launch_id, 0)
    assert starts.importing(0) == []
    starts.runs(launch_id, 3)
    assert (starts.importing(3), len(starts)) == ([launch_id], 1)
    starts.started(launch_id, 5)
    assert (starts.importing(5), len(starts)) == ([], 0)


def test_a_container_that_was_not_seen_to_start_is_none_that_imports():
    starts = Starts()
    starts.runs(UUID(int=1), 3)
    assert starts.importing(3) == []


def test_one_that_imports_for_too_long_stops_counting():
    starts, launch_id = Starts(), UUID(int=1)
    starts.begun(launch_id, 0)
    starts.runs(launch_id, 3)
    assert starts.importing(STUCK_AFTER_S - 1) == [launch_id]
    assert starts.importing(STUCK_AFTER_S) == []
    assert len(starts) == 0


@pytest.mark.parametrize(
    ("ran_s", "learned"),
    [
        pytest.param(BRIEF_S, FIRST_LIMIT // 2, id="brief-tasks-teach"),
        pytest.param(BRIEF_S + 0.1, FIRST_LIMIT, id="long-ones-do-not"),
    ],
)
def test_what_the_end_of_a_task_tells_of_its_start(ran_s, learned):
    """One round of fast starts, then one of slow ones whose beginning nobody saw."""
    starts = Starts()
    for number in range(2 * LEAST_LIMIT):
        launch_id, is_first = UUID(int=number), number < LEAST_LIMIT
        took_s = 1.0 if is_first else 50.0
        starts.begun(launch_id, 0)
        starts.runs(launch_id, took_s)
        if is_first:
            starts.started(launch_id, took_s)
        else:
            starts.ended(launch_id, took_s + ran_s)
    assert (starts.limit, len(starts)) == (learned, 0)


def test_a_container_that_ended_unseen_stops_counting_and_teaches_nothing():
    starts = Starts()
    starts.begun(UUID(int=1), 0)
    starts.ended(UUID(int=1), 2)
    assert len(starts) == 0


def test_a_claimed_pod_takes_room_until_its_task_begins():
    starts, launch_id = Starts(fixed=1), UUID(int=1)
    starts.was_claimed(launch_id, 0)
    assert (starts.claimed, starts.importing(0)) == (1, [launch_id])
    assert starts.hold_s(0, in_flight=0) > 0
    starts.started(launch_id, 1)
    assert (starts.claimed, starts.hold_s(1, in_flight=0)) == (0, 0)


def test_claimed_pods_teach_nothing_of_how_long_starts_take():
    """They take a tenth of it, against which every start from nothing would seem slow."""
    starts = Starts()
    for number in range(2 * FIRST_LIMIT):
        starts.was_claimed(UUID(int=number), 0)
    assert starts.hold_s(0, in_flight=0) > 0, "they fill the room"
    for number in range(2 * FIRST_LIMIT):
        starts.started(UUID(int=number), 0.1)
    for number in range(100, 100 + LEAST_LIMIT):
        starts.begun(UUID(int=number), 1)
        starts.started(UUID(int=number), 6)
    assert starts.limit == FIRST_LIMIT


def claimed(starts, numbers, now_s):
    """Claim pods of these numbers, as long as one more may be."""
    for number in numbers:
        if not starts.may_claim(now_s, in_flight=0):
            return number
        starts.was_claimed(UUID(int=number), now_s)
    return None


def test_claimed_pods_begin_a_few_at_a_time():
    starts = Starts()
    assert claimed(starts, range(50), 0) == FIRST_CLAIMS
    assert starts.may_claim(0, in_flight=0) is False
    starts.started(UUID(int=0), 0.5)
    assert starts.may_claim(0.5, in_flight=0)
    assert not starts.may_claim(0.5, in_flight=1), "claims under way count"


def test_a_large_cluster_claims_ever_more_at_once_and_a_small_one_fewer():
    starts = Starts()
    assert claimed(starts, range(FIRST_CLAIMS + 1), 0) is not None
    for number in range(FIRST_CLAIMS // 2):
        starts.started(UUID(int=number), 0.5)
    more = range(100, 200)
    last = claimed(starts, more, 0.5)
    assert last is not None
    assert starts.claimed == 2 * FIRST_CLAIMS
    for number in range(100, last):
        starts.started(UUID(int=number), 9.5)
    assert claimed(starts, range(200, 300), 9.5) is not None
    assert starts.claimed <= FIRST_CLAIMS


def test_claimed_pods_that_begin_nothing_do_not_hold_others_up_for_good():
    starts = Starts()
    assert claimed(starts, range(FIRST_CLAIMS + 1), 0) is not None
    assert starts.may_claim(STUCK_AFTER_S, in_flight=0)
    assert starts.claimed == 0
