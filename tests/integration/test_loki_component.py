"""What a component prints, in a real Loki, compared line by line with what was printed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from loki_server import Loki, loki
from worker_pod import until

from tradewind.logs import reader
from tradewind.logs.client import LokiClient

__all__ = ["loki"]

pytestmark = pytest.mark.timeout(3600)

COUNTING = """
import sys, time
for number in range({lines}):
    print(f"line {{number}} of {name}", flush=True)
    time.sleep({pause})
sys.stdout.write("Traceback\\n  in two lines \\u2603\\n")
sys.stdout.flush()
time.sleep({rest})
"""


@pytest.fixture
def start(tmp_path):
    started = []

    def start(settings, name, *, lines=50, pause=0.0, rest=0.0):
        program = COUNTING.format(lines=lines, pause=pause, rest=rest, name=name)
        process = subprocess.Popen(
            [sys.executable, "-m", "tradewind.component", name, sys.executable, "-c", program],
            env=os.environ
            | {
                "TMPDIR": str(tmp_path),
                "AIRFLOW__TRADEWIND__LOKI_URL": settings.url,
                "AIRFLOW__TRADEWIND__LOKI_ENVIRONMENT": settings.environment,
            },
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def lines_of(settings, name):
    """Return what Loki has of a component's output, oldest first."""
    logql = f'{{service_name="airflow", component="{name}", env="test"}}'
    now_ns = time.time_ns()
    found = reader.read(
        LokiClient(settings), logql, start_ns=now_ns - 3600 * 10**9, end_ns=now_ns + 10**9
    )
    return [json.loads(line)["event"] for line in found or ()]


def expected(name, lines):
    return [
        *(f"line {number} of {name}" for number in range(lines)),
        "Traceback",
        "  in two lines ☃",
    ]


def test_everything_that_a_component_printed_is_there_when_it_has_ended(loki, start):
    process = start(loki.settings(), "ends", lines=20_000)
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert lines_of(loki.settings(), "ends") == expected("ends", 20_000)


def test_what_a_running_component_printed_is_there_within_seconds(loki, start):
    start(loki.settings(), "runs", rest=600)
    until(lambda: len(lines_of(loki.settings(), "runs")) == 52)
    assert lines_of(loki.settings(), "runs") == expected("runs", 50)


def test_an_outage_of_loki_loses_no_line_of_a_component(tmp_path, start):
    with Loki(tmp_path / "loki") as away:
        process = start(away.settings(), "waits", lines=300, pause=0.02, rest=30)
        until(lambda: lines_of(away.settings(), "waits"))
        away.stop(hard=True)
        time.sleep(3)
        away.start()
        until(lambda: len(lines_of(away.settings(), "waits")) == 302)
        assert lines_of(away.settings(), "waits") == expected("waits", 300)
        assert process.poll() is None


def test_what_a_killed_container_left_is_sent_by_the_one_that_follows(loki, start, tmp_path):
    killed = start(loki.settings(url="http://127.0.0.1:9"), "restarts", rest=600)
    folder = tmp_path / "tradewind-output" / "restarts"
    until(lambda: folder.exists() and b"in two lines" in b"".join(_contents(folder)))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    start(loki.settings(), "restarts").communicate(timeout=120)
    twice = expected("restarts", 50) * 2
    assert lines_of(loki.settings(), "restarts") == twice
    assert list(folder.iterdir()) == []


def _contents(folder):
    return [file.read_bytes() for file in sorted(folder.glob("*.log"))]
