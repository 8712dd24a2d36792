import pytest
from rich.console import Console

from tradewind_tools import tiers


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("== 3 passed in 0.12s ==", {"passed": 3}, id="plain"),
        pytest.param("3 passed, 1 skipped in 1.00s", {"passed": 3, "skipped": 1}, id="quiet"),
        pytest.param(
            "= 1 failed, 2 passed, 4 warnings, 1 error in 62.31s (0:01:02) =",
            {"failed": 1, "passed": 2, "errors": 1},
            id="everything",
        ),
        pytest.param(
            "\x1b[32m==== \x1b[32m\x1b[1m7 passed\x1b[0m\x1b[32m in 0.5s\x1b[0m ===\x1b[0m",
            {"passed": 7},
            id="coloured",
        ),
        pytest.param("no tests ran in 0.01s", None, id="no-tests"),
        pytest.param("waiting: 3 passed in line", None, id="prose"),
        pytest.param("E  assert '3 passed in 1s'", None, id="quoted-in-a-failure"),
    ],
)
def test_counts_are_those_of_pytests_last_line(line, expected):
    assert tiers.parse_counts(line) == expected


def result(tier, exit_code=0, **counts):
    return tiers.Result(tier=tier, exit_code=exit_code, elapsed_s=1.5, counts=counts)


def text_of(table):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_first_failure_stops_and_the_rest_is_shown_as_not_run(capsys):
    asked = []

    def runner(tier):
        asked.append(tier)
        return result(tier, exit_code=int(tier == "types"), passed=2)

    assert tiers.run(["lint", "types", "unit"], runner=runner) == 1
    assert asked == ["lint", "types"]
    out = capsys.readouterr().out
    assert "not run" in out
    assert out.splitlines()[-1] == "4 passed, 1 failed"


def test_all_good_ends_with_the_sum_over_tiers(capsys):
    def runner(tier):
        return result(tier, passed=3, skipped=1)

    assert tiers.run(["unit", "chart"], runner=runner) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "6 passed, 0 failed, 2 skipped"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param([result("lint", 1)], "0 passed, 1 failed", id="failure-without-a-test"),
        pytest.param([result("u", 1, failed=2, errors=1)], "0 passed, 3 failed", id="errors-fail"),
        pytest.param([result("u", passed=5)], "5 passed, 0 failed", id="good"),
    ],
)
def test_closing_line_is_never_better_than_the_exit_code(results, expected):
    assert tiers.closing_line(results) == expected


def test_table_has_a_row_for_each_tier():
    shown = text_of(tiers.table([result("unit", passed=3)], tiers=["unit", "chart"]))
    assert "unit" in shown
    assert "1.5" in shown
    assert "chart" in shown
