"""What is told of a script names seed, history and the command that plays it again."""

import io
from pathlib import Path

from a_history import Story
from checker import Violation, check
from report import closing_line, judged, markdown, sentences, table_of
from rich.console import Console

from tradewind_tools import tiers

HISTORY = Path("/somewhere/history-0-made-up.jsonl")


def a_result(*violations, seed="s7/made-up"):
    story = Story()
    story.records[0]["script"]["seed"] = seed
    story.add(5, "proxy", "call", verb="create", fault="reset", rule=0)
    return judged(story.told(), violations, path=HISTORY, took_s=12.34)


def test_a_result_counts_what_was_played():
    result = a_result()
    assert (result["tasks"], result["launches"], result["faults"], result["calls"]) == (2, 2, 1, 1)
    assert (result["seed"], result["seconds"], result["violations"]) == ("s7", 12.3, [])
    assert sentences(result) == ["made-up: ok, 2 tasks, 1 faults, 12.3 s"]


def test_a_failure_tells_where_its_history_is_and_how_to_see_it_again():
    story = Story()
    story.add(5, "program", "exited", name="scheduler", code=1)
    result = judged(story.told(), check(story.told()), path=HISTORY, took_s=1)
    assert sentences(a_result(*check(story.told()))) == [
        "made-up: failed, 2 tasks, 1 faults, 12.3 s",
        "made-up I6: scheduler ended by itself with 1",
        "  history: /somewhere/history-0-made-up.jsonl",
        "  again: ./task test:faults SEED=s7 --story made-up --scripts 1 --tasks 2",
    ]
    assert result["violations"] == [["I6", "scheduler ended by itself with 1"]]


def test_of_many_violations_the_first_are_printed():
    lines = sentences(a_result(*(Violation("I4", f"pod {number} is left") for number in range(9))))
    assert lines[5:7] == ["made-up I4: pod 4 is left", "made-up: 4 violations more"]


def test_the_table_names_each_violated_invariant_once_in_their_order():
    result = a_result(*(Violation(name, "text") for name in ("I10", "I2", "I2")))
    console = Console(file=io.StringIO(), width=200)
    console.print(table_of([result, a_result()]))
    said = console.file.getvalue()
    assert "I2, I10" in said
    assert "none" in said


def test_the_report_sums_up_each_story_and_all_of_them():
    other = a_result(Violation("I4", "text")) | {"script": "other", "calls": 9}
    lines = markdown([a_result(), other, a_result()]).splitlines()
    assert lines[2:] == [
        "| made-up | 2 | 4 | 4 | 2 | 2 | none |",
        "| other | 1 | 2 | 2 | 1 | 9 | I4 |",
        "| **together** | 3 | 6 | 6 | 3 | 11 | I4 |",
    ]


def test_the_report_sums_up_each_seed_whichever_of_its_rounds_a_script_was_of():
    results = [a_result(), a_result(seed="s7.1/made-up"), a_result(seed="s8/made-up")]
    lines = markdown(results, by="seed").splitlines()
    assert lines[0].startswith("| seed | scripts |")
    assert [line.split(" | ")[:3] for line in lines[2:]] == [
        ["| s7", "2", "4"],
        ["| s8", "1", "2"],
        ["| **together**", "3", "6"],
    ]


def test_the_last_line_is_read_as_that_of_every_tier():
    results = [a_result(), a_result(Violation("I1", "text")), a_result()]
    line = closing_line(results, took_s=61.27)
    assert line == "2 passed, 1 failed in 61.3s"
    assert tiers.parse_counts(line) == {"passed": 2, "failed": 1}
    assert tiers.parse_counts(closing_line(results[:1], took_s=1)) == {"passed": 1}
