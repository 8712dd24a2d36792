import pytest

from tradewind.pods import outputs
from tradewind.testing.builders import a_pod, base_ended, base_running

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJlLW9m"


def init(name, *, exit_code=None):
    state = {"running": {}} if exit_code is None else {"terminated": {"exitCode": exit_code}}
    return {"name": name, "state": state}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"phase": "Pending"}, [], id="nothing-began"),
        pytest.param(base_running(), ["base"], id="the-task-runs"),
        pytest.param(base_ended(137), ["base"], id="the-task-ended"),
        pytest.param(
            {"phase": "Pending", "initContainerStatuses": [init("fetch")]},
            ["fetch"],
            id="an-init-container-runs",
        ),
        pytest.param(
            base_ended(1) | {"initContainerStatuses": [init("fetch", exit_code=0)]},
            ["base"],
            id="an-init-container-that-did-its-job",
        ),
        pytest.param(
            base_ended(1) | {"initContainerStatuses": [init("proxy", exit_code=2)]},
            ["proxy", "base"],
            id="an-init-container-that-failed",
        ),
        pytest.param(
            base_ended(128, startedAt="1970-01-01T00:00:00Z"), [], id="a-command-never-started"
        ),
    ],
)
def test_containers_with_something_to_tell(status, expected):
    assert outputs.containers_with_logs(a_pod(status=status)) == expected


def test_the_last_lines_are_kept_in_order():
    text = "\n".join(f"line {number}" for number in range(200))
    kept = outputs.last_lines(text).splitlines()
    assert kept == [f"line {number}" for number in range(150, 200)]


def test_long_lines_are_cut_and_say_so():
    kept = outputs.last_lines("x" * 100_000 + "\nKilled")
    first, last = kept.splitlines()
    assert last == "Killed"
    assert first.endswith("… (cut)")


@pytest.mark.parametrize("line", ["x" * 3_000, "ж" * 3_999, "\N{GRINNING FACE}" * 4_000])
def test_what_is_kept_fits_the_column_and_ends_with_the_end(line):
    kept = outputs.last_lines("\n".join([line] * 40 + ["Killed"]))
    assert len(kept) <= outputs.MOST_CHARS
    assert len(kept.encode()) < 65_536
    assert kept.endswith("\nKilled")


def test_tokens_are_masked_before_a_cut_can_hide_their_form():
    kept = outputs.last_lines(
        f'+ python -m worker \'{{"token":"{TOKEN}"}}\'\n' + "y" * 3_990 + TOKEN
    )
    assert "eyJ" not in kept
    assert kept.count("***") == 2


def test_nothing_stays_nothing():
    assert outputs.last_lines("") == ""


def test_what_no_log_view_or_database_takes_is_left_out():
    kept = outputs.last_lines("\x1b[31;1mred\x1b[0m\tand\x00 \x07bell\r\nnext")
    assert kept == "red\tand bell\nnext"
