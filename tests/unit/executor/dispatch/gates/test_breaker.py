import math
import random

import pytest

from tradewind.dispatch.gates.breaker import MOST_WAIT_S, TRIP_AFTER, Breaker


@pytest.fixture
def breaker():
    return Breaker(rng=random.Random(1))


def trip(breaker, now_s=0.0):
    for _ in range(TRIP_AFTER):
        breaker.unanswered(now_s, probe=breaker.begin())


def test_a_single_lost_answer_changes_nothing(breaker):
    breaker.unanswered(0, probe=False)
    assert not breaker.is_open
    assert breaker.hold_s(0) == 0


def test_an_answer_in_between_starts_the_count_anew(breaker):
    for _ in range(TRIP_AFTER * 2):
        breaker.unanswered(0, probe=False)
        breaker.answered()
    assert not breaker.is_open


def test_several_in_a_row_open_it_for_a_while(breaker):
    trip(breaker)
    assert breaker.is_open
    assert 0 < breaker.hold_s(0) <= 1


def test_then_one_probe_goes_at_a_time(breaker):
    trip(breaker)
    assert breaker.hold_s(1) == 0
    assert breaker.begin() is True
    assert breaker.hold_s(1) == math.inf


def test_an_answered_probe_closes_it(breaker):
    trip(breaker)
    breaker.begin()
    breaker.answered()
    assert not breaker.is_open
    assert breaker.hold_s(1) == 0


def test_waits_between_probes_grow_to_a_bound(breaker):
    trip(breaker)
    now_s, waits = 0.0, []
    for _ in range(8):
        waits.append(breaker.hold_s(now_s))
        now_s += waits[-1]
        breaker.unanswered(now_s, probe=breaker.begin())
    assert waits[3] > waits[1] > waits[0]
    assert max(waits) <= MOST_WAIT_S


def test_late_failures_of_calls_from_before_do_not_prolong_it(breaker):
    trip(breaker)
    until_s = breaker.hold_s(0)
    for _ in range(13):
        breaker.unanswered(0, probe=False)
    assert breaker.hold_s(0) == until_s


def test_a_probe_that_was_never_sent_makes_room_for_another(breaker):
    trip(breaker)
    breaker.cancelled(probe=breaker.begin())
    assert breaker.hold_s(1) == 0
