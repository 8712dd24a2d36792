import random

import pytest

from tradewind.dispatch.pool.demand import HOLD_S, LOOKBACK_S, Demand, for_rate
from tradewind.dispatch.pool.spec import parse


def a_demand(said, *, start_s=3.0):
    demand = Demand(parse({"p": said}, "s", max_age_s=2700)["p"], now_s=0.0)
    demand.started(start_s)
    return demand


def arrivals(demand, *, per_s, until_s, since_s=0.0):
    """Let launches come evenly; return the time of the last one."""
    count = int((until_s - since_s) * per_s)
    for number in range(count):
        demand.arrived(since_s + (number + 1) / per_s)
    return until_s


def test_a_pool_with_a_size_keeps_it():
    assert a_demand(4).target(10.0) == 4


@pytest.mark.parametrize(
    ("rate", "start_s", "expected"),
    [
        pytest.param(0.0, 5.0, 0, id="nothing-comes"),
        pytest.param(0.02, 5.0, 1, id="one-a-minute"),
        pytest.param(0.2, 5.0, 3, id="one-per-start"),
        pytest.param(1.0, 5.0, 10, id="one-a-second"),
        pytest.param(1.0, 10.0, 17, id="slower-starts-need-more"),
    ],
)
def test_the_rate_is_served_while_replacements_start(rate, start_s, expected):
    assert for_rate(rate, start_s=start_s) == expected


def test_the_target_follows_the_rate_within_its_bounds():
    demand = a_demand({"size": "auto", "min": 1, "max": 6})
    assert demand.target(0.0) == 1
    now_s = arrivals(demand, per_s=0.2, until_s=LOOKBACK_S)
    assert demand.target(now_s) == 3
    now_s = arrivals(demand, per_s=5, since_s=now_s, until_s=now_s + LOOKBACK_S)
    assert demand.target(now_s) == 6


def test_the_target_falls_only_once_it_has_been_lower_for_a_while():
    demand = a_demand({"size": "auto", "max": 9})
    now_s = arrivals(demand, per_s=0.2, until_s=LOOKBACK_S)
    assert demand.target(now_s) == 3
    quiet_s = now_s + LOOKBACK_S
    demand.target(quiet_s - 1)
    assert demand.target(quiet_s) > 0
    assert demand.target(quiet_s + HOLD_S) == 0


@pytest.mark.parametrize("said", [{"size": 3}, {"size": "auto", "min": 3, "max": 9}])
def test_without_launches_a_pool_scales_to_zero_when_asked(said):
    demand = a_demand(said | {"scale_to_zero_after": 600})
    assert demand.target(599.0) == 3
    assert demand.target(600.0) == 0
    demand.arrived(700.0)
    assert demand.target(700.0) == 3


def test_without_that_it_never_does():
    assert a_demand(2).target(1e9) == 2


def test_start_times_are_learned():
    demand = a_demand(1, start_s=3.0)
    before = demand.start_s
    for _ in range(20):
        demand.started(9.0)
    assert demand.start_s == before + 6.0


def test_two_deviations_serve_nearly_all_of_a_random_stream():
    rng = random.Random(1)
    for rate in (0.1, 0.5, 2.0):
        start_s, size = 5.0, for_rate(rate, start_s=5.0)
        now_s, busy, hits, count = 0.0, [], 0, 4000
        for _ in range(count):
            now_s += rng.expovariate(rate)
            busy = [until_s for until_s in busy if until_s > now_s]
            if len(busy) < size:
                hits += 1
                busy.append(now_s + start_s)
        assert hits / count > 0.9
