"""The tables that judge upstream's tests: what a pattern names, and what stops the tier."""

import pytest
from oracle.verdicts import Verdict

from oracle import plugin

TESTS = [("a.py", "TestA::test_one[x]"), ("a.py", "TestA::test_one[y]"), ("b.py", "test_two")]


def an_entry(*patterns, file="a.py"):
    return Verdict(file, "a reason", patterns)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        pytest.param("TestA::test_one", True, id="name-means-all-parameters"),
        pytest.param("TestA::test_one[x]", True, id="with-its-parameters"),
        pytest.param("TestA::test_one[y]", False, id="with-other-parameters"),
        pytest.param("TestA::*", True, id="star-for-the-rest"),
        pytest.param("TestA::test_*[x*", True, id="star-and-parameters"),
        pytest.param("test_one", False, id="without-its-class"),
    ],
)
def test_a_pattern_names_tests(pattern, named):
    assert bool(an_entry(pattern).names("TestA::test_one[x]")) == named


def test_tables_that_name_each_test_once_are_fine():
    tables = {
        "open": [an_entry("TestA::test_one[x]")],
        "intended": [an_entry("TestA::test_one[y]"), an_entry("test_two", file="b.py")],
    }
    plugin.check(tables, tests=TESTS)


def test_an_entry_that_names_no_test_stops_the_tier():
    with pytest.raises(pytest.UsageError, match=r"'test_gone' names no test of a\.py: remove it"):
        plugin.check({"open": [an_entry("TestA::test_one", "test_gone")]}, tests=TESTS)


def test_a_test_of_another_file_of_the_same_name_does_not_count():
    with pytest.raises(pytest.UsageError, match=r"'test_two' names no test of a\.py"):
        plugin.check({"open": [an_entry("test_two")]}, tests=TESTS)


def test_two_entries_for_one_test_stop_the_tier():
    tables = {"open": [an_entry("TestA::*")], "intended": [an_entry("TestA::test_one[x]")]}
    with pytest.raises(pytest.UsageError, match="stands in the tables twice"):
        plugin.check(tables, tests=TESTS)
