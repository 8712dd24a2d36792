import pytest

from tradewind.janitor.freshness import Pulse, WatchCheck


@pytest.mark.parametrize(
    ("seen", "listed", "behind"),
    [
        pytest.param({"a": 5}, {"a": 5}, 0, id="nothing new"),
        pytest.param({"a": 5}, {"a": 9}, 0, id="lags less than an interval"),
        pytest.param({"a": 9}, {"a": 9}, 0, id="caught up"),
        pytest.param({"a": 4}, {"a": 9}, 1, id="missed what the list before knew"),
        pytest.param({}, {"a": 9}, 1, id="never heard of the pod"),
        pytest.param({}, {}, 0, id="the pod is gone"),
        pytest.param({"a": 4}, {}, 0, id="gone, and not told yet"),
    ],
)
def test_a_watch_has_told_what_the_list_before_knew(seen, listed, behind):
    check = WatchCheck()
    check.compare({"a": 5}, {"a": 5})
    check.compare(seen, listed)
    assert check.behind == behind


def test_the_first_list_accuses_nobody():
    check = WatchCheck()
    check.compare({}, {"a": 5})
    assert (check.behind, check.ghosts) == (0, frozenset())


def test_a_pod_that_two_lists_did_not_have_is_a_ghost():
    check = WatchCheck()
    check.compare({"a": 5, "b": 1}, {"a": 5})
    assert check.ghosts == {"b"}
    check.compare({"a": 5, "b": 1}, {"a": 5, "b": 2})
    assert check.ghosts == frozenset()


def test_a_pod_that_just_went_is_no_ghost_yet():
    check = WatchCheck()
    check.compare({"a": 5}, {"a": 5})
    check.compare({"a": 5}, {})
    assert check.ghosts == frozenset()


@pytest.mark.parametrize(
    ("swept_s", "now_s", "alive"),
    [
        pytest.param(None, 359.0, True, id="starting"),
        pytest.param(None, 361.0, False, id="never swept"),
        pytest.param(1_000.0, 1_360.0, True, id="late, but slow is not dead"),
        pytest.param(1_000.0, 1_361.0, False, id="too late"),
    ],
)
def test_a_late_sweep_is_noticed(swept_s, now_s, alive):
    pulse = Pulse(interval_s=60.0, started_s=0.0, swept_s=swept_s)
    assert bool(pulse.trouble(now_s)) is not alive


def test_a_dead_watch_is_noticed_and_forgiven_when_it_catches_up():
    pulse = Pulse(interval_s=60.0, started_s=0.0, swept_s=0.0)
    pulse.checked(3, 10.0)
    assert "watch is dead" in pulse.trouble(11.0)
    pulse.checked(0, 20.0)
    assert pulse.trouble(21.0) == ""
