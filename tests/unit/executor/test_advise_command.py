import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from airflow.cli import cli_parser
from rich.console import Console

from tradewind import advise_command, task_history
from tradewind.contract import Measured
from tradewind.pods.advice import advise

MI = 2**20


def parse(*words):
    return cli_parser.get_parser().parse_args(["tradewind", "advise", *words])


def a_run(peak_mi, **more):
    values = {
        "memory_request_bytes": 256 * MI,
        "memory_limit_bytes": 512 * MI,
        "peak_memory_bytes": peak_mi * MI,
    }
    return Measured(pod="p", temperature="warm", **values | more)


@pytest.fixture
def launches(monkeypatch):
    """Play the database; return what was asked of it."""
    found, asked = {}, []

    def read(dag_id, *, since):
        asked.append((dag_id, since))
        return found

    monkeypatch.setattr(task_history, "measured_launches", read)
    return found, asked


def test_everything_of_two_weeks_is_read_unless_told_otherwise(launches, capsys):
    _, asked = launches
    advise_command.advise(parse("--json"))
    advise_command.advise(parse("etl", "--days", "3", "--json"))
    now = datetime.now(UTC)
    assert [dag_id for dag_id, _ in asked] == [None, "etl"]
    for (_, since), days in zip(asked, (14, 3), strict=True):
        assert timedelta(0) <= now - timedelta(days=days) - since < timedelta(minutes=1)
    assert capsys.readouterr().out == "[]\n[]\n"


def test_json_has_a_task_each_in_order(launches, capsys):
    found, _ = launches
    found[("etl", "b")] = [a_run(200)]
    found[("etl", "a")] = [a_run(200)] * 9
    advise_command.advise(parse("--json"))
    printed = json.loads(capsys.readouterr().out)
    assert [(one["task_id"], one["runs"]) for one in printed] == [("a", 9), ("b", 1)]
    assert printed[0] == advise("etl", "a", found[("etl", "a")]).as_dict()


def test_nothing_measured_is_one_sentence_and_a_failure(launches, capsys):
    with pytest.raises(SystemExit) as caught:
        advise_command.advise(parse("etl"))
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(
        "error: no launch of DAG 'etl' was measured in the last 14 days: "
    )


def test_the_table_says_what_is_used_what_is_asked_for_and_what_to_ask_for():
    killed = a_run(512, killed_for_memory=True, cpu_s=30.0, duration_s=60.0, cpu_request_s=0.25)
    page = io.StringIO()
    console = Console(file=page, width=200)
    console.print(advise_command.table([advise("etl", "load", [a_run(300), killed])]))
    shown = page.getvalue()
    for words in (
        "etl",
        "load",
        "1 killed",
        "300 / 512 / 512 Mi",
        "30.0 / 30.0",
        "256Mi, 512Mi",
        "CPU 250m",
        "640Mi, 1024Mi",
        "CPU 600m",
        "raise",
    ):
        assert words in shown


def test_a_task_that_left_no_figures_is_shown_without():
    nothing = Measured(pod="p", temperature="cold", killed_for_memory=True)
    page = io.StringIO()
    Console(file=page, width=200).print(advise_command.table([advise("etl", "load", [nothing])]))
    assert "wait" in page.getvalue()
