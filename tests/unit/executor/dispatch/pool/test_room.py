import pytest

from tradewind.dispatch.pool.plan import CREATE_BATCH
from tradewind.dispatch.pool.room import (
    FIRST_CEILING_S,
    FIRST_HOLD_S,
    MOST_HOLD_S,
    Ceilings,
    Holds,
    Pressure,
    Shortage,
    may_create,
)


def room(**changed):
    calm = {
        "launches_wait": False,
        "is_down": False,
        "claims_in_flight": 0,
        "claimed": 0,
        "since_claim_s": 60.0,
        "short_for_s": 0.0,
        "is_half_full": False,
        "starting": 0,
        "starting_most": 4,
        "start_room": 8,
    }
    return may_create(Pressure(**(calm | changed)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, CREATE_BATCH, id="calm"),
        pytest.param({"launches_wait": True}, 0, id="launches-go-first"),
        pytest.param({"is_down": True}, 0, id="nobody-answers"),
        pytest.param({"claims_in_flight": 1}, 0, id="a-claim-is-under-way"),
        pytest.param({"since_claim_s": 0.5}, 0, id="in-the-shadow-of-a-claim"),
        pytest.param({"claimed": 1}, 0, id="a-claimed-pod-has-not-begun"),
        pytest.param({"since_claim_s": 0.5, "short_for_s": 6.0}, 1, id="not-for-good"),
        pytest.param({"claimed": 1, "short_for_s": 6.0}, 1, id="nor-for-claimed-pods"),
        pytest.param(
            {"claimed": 1, "short_for_s": 6.0, "starting": 1}, 0, id="one-at-a-time-beside-claims"
        ),
        pytest.param(
            {"claimed": 1, "short_for_s": 6.0, "starting": 1, "starting_most": 16, "start_room": 9},
            3,
            id="or-a-few-of-many",
        ),
        pytest.param(
            {"claimed": 1, "short_for_s": 6.0, "starting_most": 0}, 0, id="no-starts-at-all"
        ),
        pytest.param(
            {"claimed": 1, "short_for_s": 6.0, "is_half_full": True}, 0, id="half-of-it-will-do"
        ),
        pytest.param({"is_half_full": True}, CREATE_BATCH, id="a-calm-pool-is-filled-up"),
        pytest.param({"starting": 3}, 1, id="few-start-at-once"),
        pytest.param({"starting": 5}, 0, id="enough-start-already"),
        pytest.param({"start_room": 2}, 2, id="nodes-have-little-room"),
        pytest.param({"start_room": -1}, 0, id="nodes-have-none"),
        pytest.param({"starting_most": 100, "start_room": 100}, CREATE_BATCH, id="a-batch-at-most"),
    ],
)
def test_a_pool_comes_last(changed, expected):
    assert room(**changed) == expected


def test_failures_make_a_pool_wait_ever_longer_and_are_told_once():
    holds, now_s, waits = Holds(), 0.0, []
    for number in range(12):
        assert holds.failed("p", "died", now_s=now_s) is (number == 0)
        assert not holds.failed("p", "died", now_s=now_s), "one of the same batch"
        assert holds.holds("p", now_s=now_s)
        waits.append(holds.wait_s("p", now_s=now_s))
        now_s += waits[-1]
        assert not holds.holds("p", now_s=now_s)
    assert waits[:3] == [FIRST_HOLD_S, 2 * FIRST_HOLD_S, 4 * FIRST_HOLD_S]
    assert waits[-1] == MOST_HOLD_S


def test_another_failure_is_news_and_a_success_forgets():
    holds = Holds()
    holds.failed("p", "died", now_s=0.0)
    assert holds.failed("p", "evicted", now_s=FIRST_HOLD_S)
    holds.worked("p")
    assert not holds.holds("p", now_s=FIRST_HOLD_S)
    assert holds.failed("p", "evicted", now_s=FIRST_HOLD_S)


def test_below_its_ceiling_a_pool_is_refilled_and_beyond_it_asks_seldom():
    ceilings = Ceilings()
    assert ceilings.room("p", alive=3, now_s=0.0) == CREATE_BATCH
    assert ceilings.refused("p", alive=3, now_s=0.0)
    assert ceilings.room("p", alive=3, now_s=1.0) == 0
    assert ceilings.room("p", alive=1, now_s=1.0) == 2
    assert ceilings.room("p", alive=3, now_s=FIRST_CEILING_S) == CREATE_BATCH
    assert not ceilings.refused("p", alive=3, now_s=FIRST_CEILING_S)
    assert ceilings.room("p", alive=3, now_s=2 * FIRST_CEILING_S) == 0


def test_a_ceiling_that_was_outgrown_is_forgotten():
    ceilings = Ceilings()
    ceilings.refused("p", alive=3, now_s=0.0)
    ceilings.reached("p", alive=3)
    assert ceilings.room("p", alive=3, now_s=1.0) == 0
    ceilings.reached("p", alive=4)
    assert ceilings.room("p", alive=4, now_s=1.0) == CREATE_BATCH
    assert ceilings.refused("p", alive=4, now_s=1.0)


def test_a_shortage_lasts_from_its_begin_to_its_end():
    shortage = Shortage()
    assert shortage.lasts_s("p", is_short=True, now_s=5.0) == 0.0
    assert shortage.lasts_s("p", is_short=True, now_s=9.0) == 4.0
    assert shortage.lasts_s("p", is_short=False, now_s=10.0) == 0.0
    assert shortage.lasts_s("p", is_short=True, now_s=11.0) == 0.0
