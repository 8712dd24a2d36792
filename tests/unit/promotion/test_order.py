"""order.yaml: which environment follows which, how long, and when not."""

from datetime import UTC, datetime

import pytest
from estate import ORDER

from tradewind.promotion import freeze, order
from tradewind.promotion.findings import RefusedError, UnusableError

FORTNIGHT = {"from": "2026-12-20", "to": "2027-01-03", "reason": "holidays"}
EVENINGS = {"weekdays": ["Fri"], "hours": "14:00-24:00", "reason": "weekend"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("environments: []", "names no environments: list them"),
        ("", "names no environments"),
        ("environments: {dev: 1}", "names no environments"),
        ("environments: [", "is not YAML"),
        ("environments: [{name: dev}, {name: b}, {name: dev}]", r"in a circle \(dev → b → dev\)"),
        ("environments: [{name: Dev}]", r"environments\[0\] .* has no name of lower-case"),
        ("environments: [{soak: 1h}]", r"has no name"),
        ("environments: [dev]", r"'dev' has no name"),
        ("environments: [{name: base}]", "the folder of what all share"),
        ("environments: [{name: dev, wait: 1h}]", "unknown key 'wait'"),
        ("environments: [{name: dev, soak: 1 hour}]", r"soak is '1 hour': write a number and"),
        ("environments: [{name: dev, freeze: always}]", "write a list of windows"),
    ],
)
def test_a_malformed_order_is_refused_with_the_entry(text, problem):
    with pytest.raises(UnusableError, match=problem):
        order.parse(text)


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        ("dev", "prod", "prod follows staging, not dev: promote from staging"),
        ("prod", "staging", "staging follows dev, not prod"),
        ("staging", "staging", "staging follows dev, not staging"),
        ("staging", "dev", "dev is the first environment"),
        ("dev", "qa", "no environment 'qa' .* choose one of dev, staging, prod"),
        ("qa", "prod", "no environment 'qa'"),
    ],
)
def test_a_hop_that_is_none_is_refused(source, target, problem):
    with pytest.raises((RefusedError, UnusableError), match=problem):
        order.parse(ORDER).hop(source, target=target)


def test_a_hop_knows_its_soak():
    assert order.parse(ORDER).hop("staging", target="prod").soak_s == 24 * 3600


@pytest.mark.parametrize(
    ("entry", "moment", "expected"),
    [
        (FORTNIGHT, datetime(2026, 12, 20, tzinfo=UTC), True),
        (FORTNIGHT, datetime(2027, 1, 3, tzinfo=UTC), False),
        (EVENINGS, datetime(2026, 3, 6, 13, 59, tzinfo=UTC), False),
        (EVENINGS, datetime(2026, 3, 6, 14, 0, tzinfo=UTC), True),
        (EVENINGS, datetime(2026, 3, 6, 23, 59, tzinfo=UTC), True),
        (EVENINGS, datetime(2026, 3, 7, 14, 0, tzinfo=UTC), False),
        ({"weekdays": ["Sat"], "reason": "r"}, datetime(2026, 3, 7, tzinfo=UTC), True),
    ],
)
def test_a_window_covers_its_time_and_no_other(entry, moment, expected):
    assert freeze.parse(entry, where="w").holds(moment) is expected


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"weekdays": ["Fri"]}, "has no reason"),
        ("friday", "has no reason"),
        ({"from": "2026-01-01", "reason": "r"}, "has the keys from: write"),
        ({"from": "soon", "to": "2026-01-01", "reason": "r"}, "w.from is 'soon'"),
        ({"from": "2026-01-02", "to": "2026-01-01", "reason": "r"}, "ends before it begins"),
        ({"weekdays": ["Friday"], "reason": "r"}, "list some of Mon"),
        ({"weekdays": ["Fri"], "hours": "22:00-06:00", "reason": "r"}, "within one day"),
        ({"weekdays": ["Fri"], "hours": "25:00-26:00", "reason": "r"}, "within one day"),
    ],
)
def test_a_malformed_window_is_refused_with_its_place(entry, problem):
    with pytest.raises(UnusableError, match=problem):
        freeze.parse(entry, where="w")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (-5, "0 s"),
        (5400, "1 h 30 min"),
    ],
)
def test_a_span_is_told_in_two_units_at_most(seconds, expected):
    assert order.shown(seconds) == expected
