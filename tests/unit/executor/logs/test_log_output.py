"""What a program prints as files on their way to Loki, by a clock that the test turns."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.logs import output
from tradewind.logs.identity import LogIdentity
from tradewind.logs.output import MOST_FILES, OutputLog, as_entry
from tradewind.logs.push_policy import Answer
from tradewind.logs.sender import Sender

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SCHEDULER = LogIdentity(dag_id="", component="scheduler", fields=(("pod", "p"),))


class Loki:
    def __init__(self):
        self.now_s = 0.0
        self.looks = 0
        self.is_away = False
        self.kept = {}
        self.streams = []

    def push(self, body):
        if self.is_away:
            return Answer(status=0, text="ConnectError: refused")
        (stream,) = json.loads(gzip.decompress(body))["streams"]
        self.streams.append(stream)
        self.kept |= {int(at_ns): text for at_ns, text, _ in stream["values"]}
        return Answer(status=204)

    def now(self):
        """Later at each look, as a real clock."""
        self.looks += 1
        return BEGAN + timedelta(seconds=self.now_s, milliseconds=self.looks)

    @property
    def events(self):
        return [json.loads(text)["event"] for _, text in sorted(self.kept.items())]


@pytest.fixture
def loki():
    return Loki()


@pytest.fixture
def begin(loki, tmp_path):
    """Return a function that begins a process's output where earlier ones left theirs."""

    def begun(*, file_bytes=400):
        sender = Sender(
            loki.push,
            environment="prod",
            clock=lambda: loki.now_s,
            jitter=lambda: 0.5,
        )
        return OutputLog(
            sender,
            folder=tmp_path / "scheduler",
            identity=SCHEDULER,
            now=loki.now,
            file_bytes=file_bytes,
        )

    return begun


def run(loki, log, *, steps=60):
    for _ in range(steps):
        loki.now_s += log.step()


def files(tmp_path):
    return sorted(path.name for path in (tmp_path / "scheduler").iterdir())


def test_lines_arrive_in_order_under_the_components_labels(loki, begin):
    log = begin()
    for number in range(5):
        log.write(f"line {number}".encode())
    run(loki, log)
    assert loki.events == [f"line {number}" for number in range(5)]
    stream = loki.streams[0]
    labels = {"service_name": "airflow", "component": "scheduler", "env": "prod"}
    assert stream["stream"] == labels
    assert stream["values"][0][2] == {"pod": "p"}


def test_full_files_are_left_behind_and_removed_once_delivered(loki, begin, tmp_path):
    log = begin()
    for number in range(40):
        log.write(f"line {number}".encode())
        run(loki, log, steps=2)
    assert loki.events == [f"line {number}" for number in range(40)]
    # The one that grows, and the one before it.
    assert len(files(tmp_path)) <= 2
    assert log.close(timeout_s=0) == 0
    assert files(tmp_path) == []


def test_what_finds_no_room_while_loki_is_away_is_counted_in_the_log_itself(loki, begin, tmp_path):
    log = begin()
    loki.is_away = True
    for number in range(200):
        log.write(f"line {number}".encode())
    assert len(files(tmp_path)) == MOST_FILES
    loki.is_away = False
    run(loki, log)
    kept = len(loki.events)
    assert loki.events == [f"line {number}" for number in range(kept)]
    log.write(b"after it")
    run(loki, log)
    missing = 200 - kept
    assert missing > 0
    assert loki.events[-2:] == [
        f"{missing} lines of this output are missing: there was no room for them",
        "after it",
    ]


def test_what_a_killed_process_left_is_sent_by_the_next_one_and_nothing_twice(loki, begin):
    killed = begin()
    for number in range(6):
        killed.write(f"line {number}".encode())
    run(loki, killed, steps=1)
    killed.write(b"its last")
    following = begin()
    following.write(b"the next one's first")
    run(loki, following)
    expected = [*(f"line {number}" for number in range(6)), "its last", "the next one's first"]
    assert loki.events == expected


def test_lines_that_are_not_in_loki_at_the_end_are_counted_and_left_for_the_next(
    loki, begin, tmp_path
):
    log = begin()
    loki.is_away = True
    for number in range(3):
        log.write(f"line {number}".encode())
    assert log.close(timeout_s=0) == 3
    assert files(tmp_path) == ["00000001.log"]
    loki.is_away = False
    run(loki, begin())
    assert loki.events == ["line 0", "line 1", "line 2"]


def test_a_full_disk_stops_nobody_from_printing(begin, caplog, monkeypatch):
    log = begin()

    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "_file", Full())
    log.write(b"one")
    log.write(b"two")
    said = [record for record in caplog.records if "No space left" in record.message]
    assert len(said) == 1
    assert log._dropped == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"plain", {"timestamp": "2026-01-01T00:00:00Z", "event": "plain"}, id="text"),
        pytest.param(
            b'{"event": "e", "timestamp": "2025-05-05T00:00:00Z"}',
            {"timestamp": "2025-05-05T00:00:00Z", "event": "e"},
            id="its-own-time-first",
        ),
        pytest.param(
            b'{"event": "e"}',
            {"timestamp": "2026-01-01T00:00:00Z", "event": '{"event": "e"}'},
            id="json-without-a-time",
        ),
        pytest.param(
            b"{broken", {"timestamp": "2026-01-01T00:00:00Z", "event": "{broken"}, id="no-json"
        ),
        pytest.param(
            b"caf\xe9", {"timestamp": "2026-01-01T00:00:00Z", "event": "caf\ufffd"}, id="no-utf-8"
        ),
    ],
)
def test_every_line_is_json_that_begins_with_its_time(line, expected):
    entry = as_entry(line, at=BEGAN)
    assert json.loads(entry) == expected
    assert entry.startswith(b'{"timestamp":"')


def test_files_are_few_and_small():
    assert output.FILE_BYTES * MOST_FILES <= 2**25
