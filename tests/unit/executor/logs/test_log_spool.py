"""A log file as the queue of what Loki has not got."""

import json

import pytest

from tradewind.logs import identity
from tradewind.logs.spool import MOST_ENTRIES, PART_BYTES, Spool

PATH = "dag_id=etl/run_id=r/task_id=t/attempt=1.log"
SECOND = 1_795_773_600 * 10**9
"""2026-11-27T10:00:00Z."""
NOW = 42 * 10**9


def line(event, at="2026-11-27T10:00:00.000001Z"):
    return json.dumps({"timestamp": at, "level": "info", "event": event}, separators=(",", ":"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "attempt=1.log"


@pytest.fixture
def spool(file):
    return Spool(file, identity=identity.of(PATH), offset=0, began_ns=NOW)


def everything(spool, **limits):
    entries = []
    while True:
        chunk = spool.read(**limits)
        if not chunk.entries:
            return entries
        entries += chunk.entries
        spool.mark = chunk.mark


def test_lines_keep_their_text_their_time_and_their_order(file, spool):
    texts = [line("b"), line("a"), line("a"), line("later", "2026-11-27T10:00:01+00:00")]
    file.write_text("".join(f"{text}\n" for text in texts))
    entries = everything(spool)
    assert [entry.text for entry in entries] == texts
    first = SECOND + 1000
    assert [entry.at_ns for entry in entries] == [first, first + 1, first + 2, SECOND + 10**9]
    assert spool.is_drained


@pytest.mark.parametrize(
    "text",
    ["no JSON", '{"timestamp":"never","event":"x"}', '{"timestamp":"2026', "", "Grüße 🚢"],
)
def test_a_line_without_a_time_follows_the_one_before(file, spool, text):
    file.write_text(f"{text}\n{line('x')}\n{text}\n")
    before, _, after = everything(spool)
    assert (before.text, before.at_ns) == (text, NOW + 1)
    assert (after.text, after.at_ns) == (text, SECOND + 1001)


def test_a_clock_that_steps_back_changes_no_order(file, spool):
    file.write_text(f"{line('a')}\n{line('b', '2026-11-27T09:00:00Z')}\n")
    first, second = everything(spool)
    assert second.at_ns == first.at_ns + 1


def test_what_is_read_again_is_the_same(file, spool):
    file.write_text("".join(f"{line(n)}\n" for n in range(9)))
    assert spool.read(most_bytes=200) == spool.read(most_bytes=200)
    assert len(everything(spool, most_bytes=1)) == 9


def test_a_line_that_is_being_written_waits(file, spool):
    file.write_text(f"{line('whole')}\nhal")
    assert [entry.text for entry in everything(spool)] == [line("whole")]
    assert not spool.is_drained
    assert spool.lines_left() == 0
    with file.open("a") as more:
        more.write("f\n")
    assert [entry.text for entry in everything(spool)] == ["half"]


@pytest.mark.parametrize("character", ["x", "ü", "€", "🚢"])
def test_a_line_longer_than_loki_takes_is_sent_in_parts(file, spool, character):
    long = line("." + character * 1_000_000)
    file.write_text(f"{line('before')}\n{long}\n{line('after')}\n", encoding="utf-8")
    before, *parts, after = everything(spool)
    assert "".join(part.text for part in parts) == long
    assert [part.part for part in parts] == list(range(1, len(parts) + 1))
    assert [part.is_end for part in parts] == [False] * (len(parts) - 1) + [True]
    assert all(len(part.text.encode()) <= PART_BYTES for part in parts)
    assert (before.part, after.part) == (0, 0)
    times = [entry.at_ns for entry in (before, *parts, after)]
    assert times == sorted(set(times))


def test_a_batch_has_a_bound(file, spool):
    file.write_text("\n" * (MOST_ENTRIES + 5))
    chunk = spool.read()
    assert len(chunk.entries) == MOST_ENTRIES
    assert chunk.is_full
    assert spool.lines_left() == MOST_ENTRIES + 5


def test_what_stood_there_before_is_not_sent(file):
    file.write_text("old\n")
    spool = Spool(file, identity=identity.of(PATH), offset=4, began_ns=NOW)
    assert spool.is_drained
    with file.open("a") as more:
        more.write("new\n")
    assert [entry.text for entry in everything(spool)] == ["new"]


def test_a_file_that_is_gone_holds_nothing(spool):
    assert spool.is_drained
