from io import StringIO

import pytest
from rich.console import Console

from tradewind.doctor.findings import State, fail, ok, table, warn, worst

GOOD, LOST, BROKEN = ok("a", "f"), warn("b", "f", "r"), fail("c", "f", "r")


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param([], State.OK, id="nothing-found"),
        pytest.param([GOOD, GOOD], State.OK, id="all-well"),
        pytest.param([LOST, GOOD], State.WARN, id="something-lost"),
        pytest.param([GOOD, BROKEN, LOST], State.FAIL, id="something-broken"),
    ],
)
def test_the_worst_finding_decides(findings, expected):
    assert worst(findings) is expected


def test_a_finding_is_printed_with_four_keys():
    assert LOST.as_dict() == {"check": "b", "state": "warn", "found": "f", "remedy": "r"}


def test_a_table_shows_option_names_as_they_are_written():
    console = Console(width=200, file=StringIO())
    console.print(table([warn("timeouts", "[scheduler] task_queued_timeout is 60 s", "raise it")]))
    shown = console.file.getvalue()
    for words in ("warn", "timeouts", "[scheduler] task_queued_timeout is 60 s", "raise it"):
        assert words in shown
