import pytest

from tradewind.dispatch.pool.simulation import random_arrivals, simulate
from tradewind.dispatch.pool.spec import parse

HOUR_S = 3600.0
AUTO = {"size": "auto", "max": 20}


def course(said, arrivals, **changed):
    spec = parse({"p": said}, "s", max_age_s=2700)["p"]
    defaults = {"start_s": 4.0, "starting_most": 4, "lasts_s": HOUR_S}
    return simulate(spec, arrivals, **(defaults | changed))


def test_without_a_pool_every_launch_is_cold_and_nothing_idles():
    found = course(0, random_arrivals(0.1, lasts_s=HOUR_S))
    assert (found.hits, found.idle_pod_s, found.created) == (0, 0.0, 0)
    assert found.launches == pytest.approx(360, rel=0.2)


def test_a_pool_nobody_asks_idles_at_its_size():
    found = course(3, [])
    assert found.most_idle == 3
    assert found.idle_pods == pytest.approx(3, abs=0.01)
    assert found.hit_ratio == 0.0


def test_of_a_burst_as_many_are_served_as_the_pool_holds():
    found = course(10, [100.0] * 50)
    assert found.hits == 10
    assert found.launches == 50


def test_the_rule_that_follows_the_rate_serves_a_steady_stream_for_less_than_its_bound():
    stream = random_arrivals(0.3, lasts_s=4 * HOUR_S)
    auto, bound = (course(said, stream, lasts_s=4 * HOUR_S) for said in (AUTO, 20))
    assert auto.hit_ratio > 0.9
    assert auto.idle_pods < bound.idle_pods / 3


def test_a_rare_burst_is_no_rate():
    assert course(AUTO, [600.0] * 40).idle_pods < 0.5


def test_a_pool_empties_without_launches_when_asked():
    said = {"size": 5, "scale_to_zero_after": 300}
    assert course(said, []).idle_pod_s < 5 * 301
    assert course(5, []).idle_pod_s > 5 * 3500


def test_random_arrivals_are_the_same_every_time():
    assert random_arrivals(0.5, lasts_s=60.0) == random_arrivals(0.5, lasts_s=60.0)
    assert random_arrivals(0.0, lasts_s=60.0) == []
