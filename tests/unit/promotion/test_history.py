"""Since when a release is somewhere."""

from datetime import timedelta

from estate import EMPTY, NOW, a_pin, with_origin

from tradewind.promotion.history import stays
from tradewind.promotion.pins import dump


def told(*texts):
    """Return the stays of a file whose changes are given newest first, an hour apart."""
    changes = [(f"c{n}", NOW - timedelta(hours=n), text) for n, text in enumerate(texts)]
    moments = {commit: moment for commit, moment, _ in changes}
    return [
        (stay.pin.chart_version, stay.commit, stay.since == moments[stay.commit])
        for stay in stays(changes, path="p")
    ]


def test_the_clock_runs_from_the_change_that_brought_the_release():
    assert told(dump(a_pin("1.1.0")), dump(a_pin("1.0.0"))) == [
        ("1.1.0", "c0", True),
        ("1.0.0", "c1", True),
    ]


def test_a_change_around_the_release_does_not_restart_it():
    same = [f"# note\n{dump(a_pin())}", dump(with_origin(a_pin(), "dev")), dump(a_pin())]
    assert told(*same) == [("1.0.0", "c2", True)]


def test_coming_back_is_a_stay_of_its_own():
    one, two = dump(a_pin("1.0.0")), dump(a_pin("1.1.0"))
    assert [row[:2] for row in told(one, two, one)] == [
        ("1.0.0", "c0"),
        ("1.1.0", "c1"),
        ("1.0.0", "c2"),
    ]


def test_a_broken_file_once_ends_a_stay():
    assert told(dump(a_pin()), "broken: [", dump(a_pin())) == [
        ("1.0.0", "c0", True),
        ("1.0.0", "c2", True),
    ]
    assert told(dump(a_pin()), EMPTY) == [("1.0.0", "c0", True)]
