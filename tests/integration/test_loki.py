"""Writer and reader against a real Loki, compared line by line with what was written."""

import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from loki_server import Loki, loki

from tradewind.logs import identity, reader
from tradewind.logs.client import LokiClient, LokiError
from tradewind.logs.settings import LokiSettings
from tradewind.logs.shipper import Shipper

__all__ = ["loki"]

pytestmark = pytest.mark.timeout(3600)

PATH = "dag_id=etl/run_id={run}/task_id=load/attempt=1.log"
HOUR_NS = 3600 * 10**9


@pytest.fixture
def run(request):
    """Return a name that no other test has."""
    return f"{request.node.name}-{time.time_ns()}"


def stamp(at=None):
    return (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")


def event(text, at=None, **more):
    line = {"timestamp": stamp(at), "level": "info", "event": text} | more
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


class Task:
    """Plays the supervisor of one try: a file, a shipper."""

    def __init__(self, folder, settings, path, *, began=timedelta()):
        self.lost = []
        self.path = path
        self.file = folder / path
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.written = []
        ago_ns = int(began.total_seconds()) * 10**9
        self.shipper = Shipper(
            settings,
            folder=folder,
            on_lost=self.lost.append,
            now_ns=lambda: time.time_ns() - ago_ns,
        )
        self._log = self.file.open("ab")

    def write(self, *lines):
        self.shipper.follow(str(self.file), offset=self._log.tell())
        for line in lines:
            self._log.write(line.encode() + b"\n")
            self.written.append(line)
        self._log.flush()

    def end(self, *, timeout_s=30):
        return self.shipper.flush(str(self.file), timeout_s=timeout_s)


@pytest.fixture
def task(loki, tmp_path, run):
    return Task(tmp_path, loki.settings(), PATH.format(run=run))


def read(settings, path, *, start_ns=None, end_ns=None, page=5000):
    now_ns = time.time_ns()
    lines = reader.read(
        LokiClient(settings),
        identity.of(path).query(settings.environment),
        start_ns=start_ns or now_ns - 2 * HOUR_NS,
        end_ns=end_ns or now_ns + HOUR_NS // 6,
        page=page,
    )
    return [] if lines is None else list(lines)


def test_a_running_tasks_lines_are_there_within_seconds(loki, task):
    task.write(event("first"))
    deadline = time.monotonic() + 20
    while read(loki.settings(), task.path) != task.written:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    task.write(event("second"))
    assert task.end() == 0
    assert read(loki.settings(), task.path) == task.written


AWKWARD = [
    event("Grüße 🚢 \u202e \x00 \\ \" ' ` {}|=~"),
    event("multi\nline\ntraceback", error_detail=[{"frames": [{"name": "f", "lineno": 3}]}]),
    "not JSON at all",
    "",
    event("x" * 1_000_000),
    event("🚢" * 300_000),
    event("after"),
]


def test_lines_of_every_kind_come_back_as_they_were_written(loki, task):
    task.write(*AWKWARD)
    assert task.end() == 0
    assert read(loki.settings(), task.path) == AWKWARD
    assert task.lost == []


def test_equal_lines_at_one_time_are_as_many_as_were_written(loki, task):
    now = datetime.now(UTC)
    task.write(*(event("same", now) for _ in range(2500)), *(event(str(n), now) for n in range(9)))
    assert task.end() == 0
    assert read(loki.settings(), task.path, page=1000) == task.written


def test_more_lines_than_one_answer_holds_come_back_in_order(loki, task):
    task.write(*(event(f"line {n}", n=n) for n in range(12_345)))
    assert task.end() == 0
    assert read(loki.settings(), task.path) == task.written


def test_loki_counts_what_it_has_of_a_try_to_the_line(loki, task):
    now = datetime.now(UTC)
    task.write(*(event(str(n), now + timedelta(milliseconds=n)) for n in range(2000)))
    assert task.end() == 0
    last_ns = int(now.timestamp() * 1e6) * 1000 + 1999 * 10**6
    known = identity.of(task.path)
    counting = reader.TryReader(LokiClient(loki.settings()), "test")
    assert counting.count(known, last_ns=last_ns, within_ms=1500) == 1500
    assert counting.count(known, last_ns=last_ns - HOUR_NS, within_ms=1500) == 0


def test_a_reader_sees_the_one_try_it_asks_for(loki, tmp_path, run):
    base = f"dag_id=etl/run_id={run}/task_id=load"
    paths = [
        f"{base}/attempt=1.log",
        f"{base}/attempt=2.log",
        f"{base}/map_index=0/attempt=1.log",
        f"{base}/map_index=10/attempt=1.log",
        f"{base}x/attempt=1.log",
        f"dag_id=etl2/run_id={run}/task_id=load/attempt=1.log",
    ]
    now = datetime.now(UTC)
    tasks = [Task(tmp_path, loki.settings(), path) for path in paths]
    for task in tasks:
        task.write(event("the same line", now), event(task.path, now))
        assert task.end() == 0
    for task in tasks:
        assert read(loki.settings(), task.path) == task.written


def test_the_triggerers_part_is_read_with_the_tasks(loki, tmp_path, run):
    path = PATH.format(run=run)
    began = datetime.now(UTC)
    task = Task(tmp_path, loki.settings(), path)
    task.write(event("deferring", began), event("back", began + timedelta(seconds=2)))
    assert task.end() == 0
    trigger = Task(tmp_path, loki.settings(), f"{path}.trigger.7.log")
    trigger.write(event("waiting", began + timedelta(seconds=1)))
    trigger.shipper.release(str(trigger.file))
    trigger.shipper._finish()
    events = [json.loads(line)["event"] for line in read(loki.settings(), path)]
    assert events == ["deferring", "waiting", "back"]


def test_lines_an_hour_behind_their_neighbours_are_kept(loki, tmp_path, run):
    """A pod that could not send for an hour, while others of its DAG did."""
    path = f"dag_id=slow/run_id={run}/task_id={{}}/attempt=1.log"
    fresh = Task(tmp_path, loki.settings(), path.format("b"))
    fresh.write(event("newer than what follows"))
    assert fresh.end() == 0
    ago = timedelta(minutes=100)
    late = Task(tmp_path, loki.settings(), path.format("a"), began=ago)
    began = datetime.now(UTC) - ago
    late.write(*(event(f"line {n}", began + timedelta(minutes=n)) for n in range(100)))
    assert late.end() == 0
    assert late.lost == []
    assert read(loki.settings(), late.path) == late.written
    asked = {"match[]": '{dag_id="slow",late!=""}', "start": str(time.time_ns() - 3 * HOUR_NS)}
    streams = httpx.get(f"{loki.url}/loki/api/v1/series", params=asked).json()["data"]
    assert len(streams) == 1


def test_lines_that_loki_refuses_for_good_are_counted_and_told_in_the_log(loki, tmp_path, run):
    ago = timedelta(days=30)
    task = Task(tmp_path, loki.settings(), PATH.format(run=run), began=ago)
    task.write(event("from the past", datetime.now(UTC) - ago), event("now"))
    assert task.end() == 0
    assert task.lost == [1]
    lines = read(loki.settings(), task.path)
    assert lines[0] == task.written[1]
    assert "not in Loki: Loki answered 400" in json.loads(lines[1])["event"]
    assert len(lines) == 2


def test_an_outage_in_the_middle_of_a_task_loses_no_line(tmp_path, run):
    with Loki(tmp_path / "server") as loki:
        task = Task(tmp_path, loki.settings(), PATH.format(run=run))
        task.write(*(event(f"before {n}") for n in range(500)))
        time.sleep(1)
        loki.stop()
        for n in range(20):
            task.write(*(event(f"during {n} {m}") for m in range(100)))
            time.sleep(0.2)
        loki.start()
        task.write(event("after"))
        assert task.end(timeout_s=60) == 0
        assert read(loki.settings(), task.path) == task.written


def test_a_loki_that_is_not_there_holds_a_task_up_for_its_bound_and_the_lines_are_counted(
    tmp_path, run
):
    settings = LokiSettings(url="http://127.0.0.1:9")
    task = Task(tmp_path, settings, PATH.format(run=run))
    task.write(*(event(str(n)) for n in range(30)))
    assert task.end(timeout_s=0.5) == 30
    assert task.lost == [30]
    with pytest.raises(LokiError, match=r"Loki at http://127.0.0.1:9 does not answer: ConnectE"):
        read(settings, task.path)


def test_a_tenant_that_is_needed_is_told(tmp_path, run):
    with Loki(tmp_path / "server", auth=True) as loki:
        task = Task(tmp_path, loki.settings(tenant="team-a"), PATH.format(run=run))
        task.write(event("for the team"))
        assert task.end() == 0
        assert read(loki.settings(tenant="team-a"), task.path) == task.written
        assert read(loki.settings(tenant="team-b"), task.path) == []
        with pytest.raises(LokiError, match=r"answered 401: no org id"):
            read(loki.settings(), task.path)
        stranger = Task(tmp_path, loki.settings(), PATH.format(run=f"{run}-2"))
        stranger.write(event("lost"))
        assert stranger.end(timeout_s=1) == 1


class Faults:
    """Stands before Loki: passes requests on, or answers what a random number says."""

    def __init__(self, loki, *, seed, share):
        rng = random.Random(seed)
        forward = httpx.Client(base_url=loki.url)
        lock = threading.Lock()
        self.refused = 0
        faults = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    fault = (
                        rng.choice(["429", "503", "lost", "cut"]) if rng.random() < share else ""
                    )
                    faults.refused += bool(fault)
                if fault in ("", "lost", "cut"):
                    headers = {k: v for k, v in self.headers.items() if k.startswith("Content-")}
                    if fault != "cut":
                        answer = forward.post(self.path, content=body, headers=headers)
                if fault in ("lost", "cut"):  # Taken and the answer lost, or neither.
                    self.close_connection = True
                    return
                status = int(fault) if fault else answer.status_code
                self.send_response(status)
                if fault == "429":
                    self.send_header("Retry-After", "0")
                text = b"" if fault else answer.content
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_storm_of_refusals_and_lost_answers_loses_and_doubles_no_line(loki, tmp_path, run, seed):
    with (faults := Faults(loki, seed=seed, share=0.6)) as url:
        task = Task(tmp_path, loki.settings(url=url), PATH.format(run=run))
        for n in range(12):
            task.write(*(event(f"{n} {m}") for m in range(200)))
            time.sleep(0.1)
        assert task.end(timeout_s=120) == 0
    assert faults.refused > 0
    assert task.lost == []
    assert read(loki.settings(), task.path) == task.written


def test_a_log_is_found_in_a_range_longer_than_loki_answers_at_once(loki, task):
    task.write(event("here"))
    assert task.end() == 0
    start_ns = time.time_ns() - 90 * 24 * HOUR_NS
    assert read(loki.settings(), task.path, start_ns=start_ns) == task.written
