"""Sending by a clock that the test turns: outages, refusals, neighbours."""

import gzip
import json
import random

import pytest

from tradewind.logs import identity
from tradewind.logs.push_policy import Answer
from tradewind.logs.sender import POLL_S, Sender
from tradewind.logs.spool import Spool

PATH = "dag_id=etl/run_id=r/task_id=t/attempt={}.log"
WELL = Answer(status=204)
AWAY = Answer(status=0, text="ConnectError: refused")


class Loki:
    """Keeps what it takes, answers what the test says, and is asked by a clock."""

    def __init__(self):
        self.now_s = 0.0
        self.answers = lambda _: WELL
        self.kept = {}
        self.pushes = []
        self.refused = []

    def push(self, body):
        (stream,) = json.loads(gzip.decompress(body))["streams"]
        self.pushes.append((self.now_s, stream))
        answer = self.answers(stream)
        if answer.status == 204:
            for at_ns, text, metadata in stream["values"]:
                self.kept.setdefault(metadata["try_number"], {})[int(at_ns)] = text
        return answer

    def lines(self, number="1"):
        return [text for _, text in sorted(self.kept.get(number, {}).items())]


@pytest.fixture
def loki():
    return Loki()


@pytest.fixture
def sender(loki):
    return Sender(
        loki.push,
        environment="prod",
        clock=lambda: loki.now_s,
        jitter=random.Random(1).random,
        on_refused=loki.refused.append,
    )


@pytest.fixture
def spool(sender, tmp_path):
    def begin(number=1):
        file = tmp_path / f"{number}.log"
        file.write_bytes(b"")
        spool = Spool(file, identity=identity.of(PATH.format(number)), offset=0, began_ns=0)
        sender.add(spool)
        return spool

    return begin


def write(spool, *texts):
    with spool.path.open("a") as file:
        file.writelines(f"{text}\n" for text in texts)


def turn(sender, loki, *, seconds):
    """Let the sender have its way for so long."""
    until = loki.now_s + seconds
    while loki.now_s < until:
        loki.now_s += max(sender.step(), 0.001)


def test_lines_are_sent_within_a_poll_of_being_written(sender, loki, spool):
    log = spool()
    turn(sender, loki, seconds=5)
    write(log, "a", "b")
    written_s = loki.now_s
    turn(sender, loki, seconds=5)
    ((sent_s, stream),) = loki.pushes
    assert sent_s - written_s <= POLL_S
    assert stream["stream"] == {
        "service_name": "airflow",
        "component": "task",
        "dag_id": "etl",
        "env": "prod",
    }
    assert loki.lines() == ["a", "b"]
    assert sender.is_idle


def test_an_outage_of_three_minutes_loses_nothing_and_asks_rarely(sender, loki, spool, caplog):
    log = spool()
    loki.answers = lambda _: WELL if not 10 <= loki.now_s < 190 else AWAY
    written = []
    for n in range(400):
        written.append(f"line {n}")
        write(log, written[-1])
        turn(sender, loki, seconds=0.5)
    turn(sender, loki, seconds=60)
    assert loki.lines() == written
    assert len([at for at, _ in loki.pushes if 10 <= at < 190]) < 20
    waits = [record for record in caplog.records if "logs wait" in record.message]
    assert len(waits) == 1
    assert "ConnectError: refused" in waits[0].message
    assert loki.refused == []


def test_a_storm_of_refusals_for_being_too_fast_loses_nothing(sender, loki, spool):
    log = spool()
    write(log, *(f"line {n}" for n in range(30_000)))
    rng = random.Random(7)
    loki.answers = lambda _: rng.choice([WELL, Answer(status=429, retry_after_s=1), AWAY])
    turn(sender, loki, seconds=120)
    assert loki.lines() == [f"line {n}" for n in range(30_000)]


def test_an_answer_that_was_lost_makes_no_line_twice(sender, loki, spool):
    log = spool()
    write(log, "a", "a")
    kept = []

    def lost(stream):
        kept.append(stream["values"])
        return WELL if len(kept) > 1 else Answer(status=0, text="ReadTimeout")

    loki.answers = lost
    turn(sender, loki, seconds=9)
    assert kept[0] == kept[1]
    assert loki.lines() == ["a", "a"]


def test_lines_that_loki_refuses_are_counted_and_told_where_they_are_missing(sender, loki, spool):
    log = spool()
    write(log, "bad", "bad", "good")
    text = "timestamp too old, total ignored: 2 out of 3"
    loki.answers = lambda _: Answer(status=400, text=text) if len(loki.pushes) == 1 else WELL
    turn(sender, loki, seconds=5)
    write(log, "next")
    turn(sender, loki, seconds=5)
    told, after = loki.lines()
    assert json.loads(told)["event"].startswith("2 of 3 lines of this log are not in Loki: ")
    assert after == "next"
    assert loki.refused == [2]
    assert log.refused == 2


def test_lines_too_far_behind_are_sent_again_in_a_stream_of_their_own(sender, loki, spool):
    log = spool()
    at = "2026-11-27T{}:00:00Z"
    lines = [json.dumps({"timestamp": at.format(hour)}, separators=(",", ":")) for hour in (8, 10)]
    write(log, *lines)
    text = f"entry too far behind, oldest acceptable timestamp is: {at.format('09')}"
    loki.answers = lambda stream: (
        WELL if "late" in stream["stream"] else Answer(status=400, text=text)
    )
    turn(sender, loki, seconds=2)
    (_, first), (_, again) = loki.pushes
    assert [value[1] for value in first["values"]] == lines
    assert [value[1] for value in again["values"]] == lines[:1]
    assert again["values"] == first["values"][:1]
    assert loki.refused == []
    assert sender.is_idle


def test_a_batch_that_is_too_large_is_made_smaller(sender, loki, spool):
    log = spool()
    texts = [f"{n} {'x' * 1000}" for n in range(900)]
    write(log, *texts)
    loki.answers = lambda stream: WELL if len(stream["values"]) < 300 else Answer(status=413)
    turn(sender, loki, seconds=5)
    assert loki.lines() == texts
    loki.answers = lambda _: Answer(status=413)
    write(log, "never")
    turn(sender, loki, seconds=5)
    assert loki.refused == [1]


def test_a_task_that_writes_without_end_does_not_hold_up_others(sender, loki, spool):
    loud, quiet = spool(1), spool(2)
    write(loud, *("x" * 1000 for _ in range(5000)))
    write(quiet, "a word")
    sender.step()
    sender.step()
    assert loki.lines("2") == ["a word"]
    assert not loud.is_drained


def test_a_log_that_is_over_is_forgotten_when_it_is_sent(sender, loki, spool):
    log = spool()
    write(log, "last words")
    loki.answers = lambda _: AWAY
    sender.step()
    sender.end(log)
    loki.answers = lambda _: WELL
    turn(sender, loki, seconds=60)
    write(log, "nobody reads this")
    turn(sender, loki, seconds=60)
    assert loki.lines() == ["last words"]


def test_somebody_who_waits_makes_the_next_attempt_come_soon(sender, loki, spool):
    write(spool(), "a")
    loki.answers = lambda _: AWAY
    turn(sender, loki, seconds=300)
    sender.step()
    assert sender.step() > 2.0
    sender.hurry(2.0)
    assert sender.step() <= 2.0


def test_wrong_settings_wait_for_somebody_to_put_them_right(sender, loki, spool, caplog):
    write(spool(), "a")
    loki.answers = lambda _: Answer(status=401, text="no")
    turn(sender, loki, seconds=300)
    assert [r.message for r in caplog.records if "check loki_username" in r.message]
    loki.answers = lambda _: WELL
    turn(sender, loki, seconds=60)
    assert loki.lines() == ["a"]


def test_a_log_that_cannot_be_read_is_told_and_left(sender, loki, spool, caplog):
    log = spool()
    log.path.unlink()
    log.path.mkdir()
    (log.path / "x").write_text("x")
    turn(sender, loki, seconds=5)
    assert loki.pushes == []
    assert "cannot read the log file" in caplog.text
