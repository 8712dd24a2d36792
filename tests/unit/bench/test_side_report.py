"""Tables and goals say what the rows say: medians, ratios, and a missed goal as missed."""

import pytest
import side_report
from bars import picture
from side_report import API_SERVER, goals, tables
from subjects import OURS, UPSTREAM, UPSTREAM_ASYNC


def a_run(executor, tasks_per_s, *, blocked=0.1, sync=5.0, deletes=1.0):
    calls = {"create": 1.0, "delete": deletes, "patch": 0.0, "get": 0.0, "list": 0.0}
    return {
        "executor": executor,
        "shape": "1 x 100 mapped",
        "tasks_per_s": tasks_per_s,
        "blocked_ms_per_task": blocked,
        "longest_sync_ms": sync,
        "cpu_ms_per_task": 2.0,
        "mb": 100.0,
        "processes": 0,
        "calls_per_task": calls,
    }


def a_rate(executor, per_s, latency_ms=50):
    return {"executor": executor, "latency_ms": latency_ms, "pods": 10, "per_s": per_s}


def an_adoption(executor, adopted_s, **more):
    return {"executor": executor, "pods": 10_000, "adopted_s": adopted_s, "mb": 200.0} | more


RESULT = {
    "shapes": [
        a_run(OURS, 90.0),
        a_run(UPSTREAM, 20.0, deletes=3.0),
        a_run(OURS, 110.0, sync=70.0),
        a_run(UPSTREAM, 10.0, deletes=3.0),
        a_run(OURS, 100.0),
        a_run(UPSTREAM, 20.0, deletes=3.0),
    ],
    "submit": [
        a_rate(API_SERVER, 400),
        a_rate(OURS, 300),
        a_rate(UPSTREAM, 13),
        a_rate(UPSTREAM_ASYNC, 60),
    ],
    "adoption": [an_adoption(OURS, 2.0, mb_per_10k=31.0), an_adoption(UPSTREAM, 90.0)],
    "watch": [
        {"executor": OURS, "events": 500, "per_s": 20_000.0},
        {"executor": UPSTREAM, "events": 500, "per_s": 300.0},
    ],
}


def cells(number):
    return tables(RESULT)[number].rows


def test_runs_are_compared_by_their_medians():
    ours, theirs = cells(1)
    assert ours[:4] == ("1 x 100 mapped", OURS, "**100.0** (90.0 to 110.0)", "**5.0**")
    assert theirs[2:4] == ("**20.0** (10.0 to 20.0)", "")
    assert (ours[-1], theirs[-1]) == ("1 + 1 + 0 + 0", "1 + 3 + 0 + 0")


def test_rates_stand_beside_what_the_api_server_takes():
    assert cells(2) == [("50 ms", "300", "13", "60", "400", "75%")]


@pytest.mark.parametrize(
    ("words", "reached", "is_reached"),
    [
        ("tasks/s, 1 x 100 mapped", "5.0 times", True),
        ("scheduler blocked per task", "at most 0.10 ms", True),
        # The worst of all runs counts, not their median.
        ("longest `sync`", "70 ms", False),
        (
            "pods/s submitted at 50 ms API latency",
            "300, 75% of the 400 that the API server takes",
            False,
        ),
        ("events/s of a watch", "20,000", True),
        ("adoption of 10,000 pods", "2.00 s", True),
        ("memory of 10,000 live tasks", "31.0 MB", False),
    ],
)
def test_a_goal_is_reached_or_not(words, reached, is_reached):
    found = {goal[0]: goal[2:] for goal in goals(RESULT)}
    assert found[words] == (reached, is_reached)


def test_a_missed_goal_says_no_in_the_document():
    rows = {row[0]: row[-1] for row in cells(0)}
    assert rows["longest `sync`"] == "**no**"
    assert rows["events/s of a watch"] == "yes"


def test_a_part_that_was_not_measured_has_no_table_and_no_goal():
    part = {"watch": RESULT["watch"]}
    assert len(tables(part)) == 2
    assert [goal[0] for goal in goals(part)] == ["events/s of a watch"]


def test_bars_are_as_long_as_their_values():
    shown = side_report.pictures(RESULT)["bench-submit"]
    svg = picture(**shown)
    assert f'width="{420}" height="16" fill="#9ca3af"' in svg  # The API server's, the longest.
    assert f'width="{315}" height="16" fill="#0f766e"' in svg
    assert ">300</text>" in svg
