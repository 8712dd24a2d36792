"""A Loki that says it took what it did not keep, as one does that divides a stream into shards."""

import gzip
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.logs import identity
from tradewind.logs.client import LokiError
from tradewind.logs.push_policy import Answer
from tradewind.logs.query import Line
from tradewind.logs.receipts import DOUBT_S
from tradewind.logs.sender import Sender
from tradewind.logs.spool import MOST_ENTRIES, Spool

WELL = Answer(status=204)
TOO_FAST = Answer(status=429, text="Per stream rate limit exceeded")
TRY = identity.of("dag_id=etl/run_id=r/task_id=t/attempt=1.log")


class Loki:
    """Keeps of a push what `keeps` says, and answers what `answers` says."""

    def __init__(self):
        self.now_s = 0.0
        self.keeps = lambda values: values
        self.answers = lambda values: WELL
        self.reads = lambda: None
        self.kept = {}
        self.pushed = []
        self.asked = self.counted = 0
        self.lost = []

    def push(self, body):
        (stream,) = json.loads(gzip.decompress(body))["streams"]
        values = stream["values"]
        self.pushed.append(len(values))
        answer = self.answers(values)
        if answer is WELL:
            self.kept |= {int(at): text for at, text, _ in self.keeps(values)}
        return answer

    def pages(self, known, start_ns, end_ns):
        assert known == TRY
        self.asked += 1
        self.reads()
        yield [Line(at, text) for at, text in self.kept.items() if start_ns <= at < end_ns]

    def count(self, known, *, last_ns, within_ms):
        assert known == TRY
        self.counted += 1
        self.reads()
        return sum(last_ns - within_ms * 1_000_000 < at <= last_ns for at in self.kept)

    def lines(self):
        return [text for _, text in sorted(self.kept.items())]


@pytest.fixture
def loki():
    return Loki()


@pytest.fixture
def send(loki, tmp_path):
    """Write lines and let the sender have its way for so long."""
    sender = Sender(
        loki.push,
        environment="prod",
        clock=lambda: loki.now_s,
        jitter=random.Random(1).random,
        on_refused=loki.lost.append,
        read=loki,
    )
    file = tmp_path / "1.log"
    file.write_bytes(b"")
    sender.add(Spool(file, identity=TRY, offset=0, began_ns=0))

    def go(*lines, seconds=300):
        with file.open("a") as log:
            log.writelines(f"{line}\n" for line in lines)
        until = loki.now_s + seconds
        while loki.now_s < until:
            loki.now_s += max(sender.step(), 0.001)
        return sender.is_idle

    return go


LINES = [f"line {n}" for n in range(300)]


def test_lines_that_a_loki_near_its_rate_did_not_keep_are_sent_again_and_no_others(loki, send):
    answers = iter([TOO_FAST])
    rng = random.Random(3)
    loki.answers = lambda _: next(answers, WELL)
    loki.keeps = lambda values: [value for value in values if rng.random() < 0.4]
    assert send(*LINES)
    assert loki.lines() == LINES
    assert loki.lost == []
    assert sum(loki.pushed) < 6 * len(LINES)


def logged(count):
    """Return so many lines as Airflow writes them, 40 microseconds apart."""
    times = (
        datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=40 * n) for n in range(count)
    )
    return [f'{{"timestamp":"{at.isoformat()}","event":"a line"}}' for at in times]


def test_a_batch_that_is_full_is_not_believed_without_any_refusal(loki, send):
    lines = logged(MOST_ENTRIES + 10)
    steps = iter([3])
    loki.keeps = lambda values: values[:: next(steps, 1)]
    assert send(*lines)
    assert loki.lines() == lines


def test_a_full_batch_that_is_there_is_counted_by_loki_and_not_read_back(loki, send):
    assert send(*logged(MOST_ENTRIES + 10))
    assert (loki.counted, loki.asked) == (1, 0)


def test_a_full_batch_that_cannot_be_counted_is_believed_without_waiting(loki, send):
    loki.reads = _fails(500)
    assert send(*logged(MOST_ENTRIES + 10), seconds=2)
    assert (loki.counted, loki.asked) == (1, 0)
    assert loki.lost == []


def test_a_full_batch_of_one_instant_is_read_back(loki, send):
    assert send(*(f"line {n}" for n in range(MOST_ENTRIES + 10)))
    assert (loki.counted, loki.asked) == (0, 1)


def test_who_writes_little_is_believed_and_loki_is_asked_nothing(loki, send):
    assert send(*LINES)
    assert (loki.counted, loki.asked) == (0, 0)


def test_doubt_ends_a_while_after_the_last_refusal(loki, send):
    answers = iter([TOO_FAST])
    loki.answers = lambda _: next(answers, WELL)
    assert send(*LINES, seconds=2 * DOUBT_S)
    asked = loki.asked
    assert asked > 0
    assert send("later")
    assert loki.asked == asked
    assert loki.lines()[-1] == "later"


def test_a_batch_beyond_the_burst_of_a_stream_goes_in_smaller_ones(loki, send):
    loki.answers = lambda values: TOO_FAST if len(values) > 40 else WELL
    assert send(*LINES)
    assert loki.lines() == LINES
    assert loki.lost == []


def test_lines_that_never_arrive_are_counted_and_told_and_the_next_ones_are_sent(loki, send):
    refused = iter([TOO_FAST])
    loki.answers = lambda _: next(refused, WELL)
    loki.keeps = lambda values: [v for v in values if v[1] not in {"line 7", "line 8"}]
    assert send(*LINES, "after")
    assert loki.lost == [2]
    assert [line for line in loki.lines() if line.startswith("line")] == LINES[:7] + LINES[9:]
    (told,) = [line for line in loki.lines() if "not in Loki" in line]
    assert "2 of 301 lines of this log are not in Loki" in told
    assert "per_stream_rate_limit" in told


def _fails(status):
    def fail():
        raise LokiError(f"Loki answered {status}", status=status)

    return fail


@pytest.mark.parametrize(
    ("status", "questions"),
    [pytest.param(403, 1, id="may-not-read"), pytest.param(500, 8, id="cannot-be-read")],
)
def test_a_loki_that_cannot_be_asked_is_believed_in_the_end(loki, send, caplog, status, questions):
    refused = iter([TOO_FAST])
    loki.answers = lambda _: next(refused, WELL)
    loki.reads = _fails(status)
    assert send(*LINES)
    assert loki.asked == questions
    assert loki.lines() == LINES
    (told,) = [text for text in caplog.messages if "cannot be checked" in text]
    assert f"Loki answered {status}" in told
