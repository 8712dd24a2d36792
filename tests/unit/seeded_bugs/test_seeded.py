"""Seeded bugs still fit the sources, and what pytest says of them is read as it is meant."""

import subprocess
from pathlib import Path

import pytest
from seeded import Fate, all_bugs, is_enough, killer_of, markdown, parse

ROOT = Path(__file__).parents[3]
BUGS = all_bugs()


def test_there_are_at_least_thirty():
    assert len(BUGS) >= 30
    assert len({bug.what for bug in BUGS}) == len(BUGS)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_bug_fits_the_sources_and_names_tests_there_are(bug):
    command = ["git", "apply", "--check", "-"]
    subprocess.run(command, cwd=ROOT, input=bug.diff, text=True, check=True)
    assert all((ROOT / test).is_file() for test in bug.tests)


@pytest.mark.parametrize(
    "text",
    [
        "A sentence.\n\n--- a/x\n+++ b/x\n",
        "A sentence.\n\nKilled by: \n\n--- a/x\n+++ b/x\n",
        "A sentence.\n\nKilled by: t.py\n\n--- a/x\n+++ b/x\n--- a/y\n+++ b/y\n",
    ],
    ids=["no-tests", "empty-tests", "two-files"],
)
def test_a_file_that_is_no_bug_is_refused(text):
    with pytest.raises(ValueError, match="odd is no seeded bug"):
        parse("odd", text)


FAILURE = (
    "...F\n=== short test summary info ===\nFAILED tests/unit/t.py::test_it[a] - assert 1 == 2\n"
)


@pytest.mark.parametrize(
    ("exit_code", "output", "killer"),
    [
        (0, "4 passed in 0.1s", ""),
        (1, FAILURE, "tests/unit/t.py::test_it[a]"),
        (1, "ERROR tests/unit/t.py::test_it - boom", "tests/unit/t.py::test_it"),
    ],
)
def test_the_first_test_that_fails_is_the_killer(exit_code, output, killer):
    assert killer_of(exit_code=exit_code, output=output) == killer


@pytest.mark.parametrize(("exit_code", "output"), [(5, "no tests ran"), (4, FAILURE), (1, "boom")])
def test_a_run_that_tested_nothing_kills_nothing(exit_code, output):
    with pytest.raises(ValueError, match=f"pytest ended with {exit_code}"):
        killer_of(exit_code=exit_code, output=output)


def fates(*, killed, alive):
    dead = [Fate(bug=BUGS[0], killer="t.py::test_it")] * killed
    return dead + [Fate(bug=BUGS[1], killer="")] * alive


@pytest.mark.parametrize(
    ("killed", "alive", "enough"), [(38, 2, True), (37, 3, False), (1, 0, True), (0, 0, False)]
)
def test_nineteen_of_twenty_have_to_be_killed(killed, alive, enough):
    assert is_enough(fates(killed=killed, alive=alive)) is enough


def test_the_report_names_what_lives():
    lines = markdown(fates(killed=1, alive=1)).splitlines()
    assert lines[2:] == [
        f"| {BUGS[0].name} | {BUGS[0].what} | `t.py::test_it` |",
        f"| {BUGS[1].name} | {BUGS[1].what} | **nothing** |",
    ]
