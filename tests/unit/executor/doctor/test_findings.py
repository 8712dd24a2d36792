import pytest

from tradewind.doctor.findings import State, fail, ok, warn, worst

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
