import math
import random

import pytest

from tradewind.dispatch.gates.window import SLOW_S, Window


@pytest.fixture
def window():
    return Window(most=16, rng=random.Random(1))


def begin(window, count):
    for _ in range(count):
        window.begin()


def test_no_more_calls_than_the_window_has_slots(window):
    begin(window, 15)
    assert window.hold_s(0) == 0
    begin(window, 1)
    assert window.hold_s(0) == math.inf


@pytest.mark.parametrize(
    ("began_s", "now_s", "limit"),
    [
        pytest.param(0, 1, 16, id="quick-answer"),
        pytest.param(0, SLOW_S + 1, 8, id="slow-answer-halves"),
    ],
)
def test_the_time_of_an_answer_counts(window, began_s, now_s, limit):
    begin(window, 1)
    window.answered(began_s=began_s, now_s=now_s)
    assert window.limit == limit


def test_one_overload_halves_once_however_many_calls_it_hit(window):
    begin(window, 16)
    for _ in range(16):
        window.pushed_back(began_s=0, now_s=1, pause_s=0)
    assert window.limit == 8


def test_each_further_overload_halves_again_but_one_slot_stays(window):
    for number in range(10):
        begin(window, 1)
        window.pushed_back(began_s=number, now_s=number, pause_s=0)
    assert window.limit == 1


def test_good_answers_widen_the_window_by_one_per_round(window):
    begin(window, 1)
    window.pushed_back(began_s=0, now_s=0, pause_s=0)
    begin(window, 9)
    for _ in range(9):
        window.answered(began_s=1, now_s=1)
    assert window.limit == 9


def test_the_window_never_exceeds_the_option(window):
    begin(window, 100)
    for _ in range(100):
        window.answered(began_s=0, now_s=0)
    assert window.limit == 16


def test_nothing_is_sent_while_the_server_asks_to_wait(window):
    begin(window, 1)
    window.pushed_back(began_s=0, now_s=10, pause_s=20)
    wait_s = window.hold_s(10)
    assert 20 <= wait_s <= 25, "a jitter spreads those who were told the same"
    assert window.hold_s(10 + wait_s) == 0


def test_a_shorter_pause_does_not_shorten_a_longer_one(window):
    begin(window, 2)
    window.pushed_back(began_s=0, now_s=0, pause_s=60)
    window.pushed_back(began_s=0, now_s=0, pause_s=1)
    assert window.hold_s(0) >= 60


def test_a_call_that_was_never_made_teaches_nothing(window):
    begin(window, 1)
    window.cancelled()
    assert (window.in_flight, window.limit) == (0, 16)
