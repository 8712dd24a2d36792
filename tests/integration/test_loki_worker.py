"""A real worker whose task's log goes to a real Loki, line by line as in its file."""

import json
import signal
import time

import pytest
from loki_server import loki
from test_loki import read
from worker_pod import a_task, airflow, dag_file, pod, token_file, until

from tradewind.logs.settings import LokiSettings

__all__ = ["a_task", "airflow", "dag_file", "loki", "pod", "token_file"]

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def start(pod, a_task, dag_file, tmp_path):
    """Return a function that starts a task of these lines, and gives its pod, path and log file."""

    def start(settings, *body):
        workload = a_task(dag_file(*body))
        run = f"manual__{time.time_ns()}"
        path = f"dag_id=tiny/run_id={run}/task_id=work/attempt=1.log"
        workload["log_path"] = path
        started = pod(
            "--json-string",
            json.dumps(workload),
            AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS="tradewind.log_view.LOGGING_CONFIG",
            AIRFLOW__TRADEWIND__LOKI_URL=settings.url,
            AIRFLOW__TRADEWIND__LOKI_ENVIRONMENT=settings.environment,
            AIRFLOW__TRADEWIND__LOKI_FLUSH_TIMEOUT=str(settings.flush_timeout_s),
        )
        return started, path, tmp_path / "home" / "logs" / path

    return start


def lines_of(file):
    return file.read_text(encoding="utf-8").split("\n")[:-1]


BODIES = {
    "many": ["for n in range(6000): print(f'line {n}')"],
    "awkward": ["print('Grüße 🚢 \\t x')", "print('x' * 1_000_000)", "raise ValueError('a\\nb')"],
    "killed": [
        "import os, signal",
        "for n in range(500): print(n)",
        "os.kill(os.getpid(), signal.SIGKILL)",
    ],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_tasks_log_in_loki_is_the_one_in_its_file(loki, start, body):
    started, path, file = start(loki.settings(), *body)
    started.ended()
    written = lines_of(file)
    assert len(written) > 2
    assert read(loki.settings(), path) == written


def test_a_secret_is_masked_before_it_leaves_the_pod(loki, start):
    body = [
        "from airflow.sdk.log import mask_secret",
        "mask_secret('hunter2' * 2, 'password')",
        "print('it is ' + 'hunter2' * 2)",
    ]
    started, path, _ = start(loki.settings(), *body)
    assert started.ended() == 0
    lines = "\n".join(read(loki.settings(), path))
    assert "it is ***" in lines
    assert "hunter2" not in lines


def test_a_pod_that_is_told_to_end_and_then_killed_has_sent_what_its_task_wrote(loki, start):
    """A task does not end at SIGTERM, but says so; the kubelet kills it when its time is over."""
    body = ["import time", "print('waits')", "time.sleep(60)"]
    started, path, file = start(loki.settings(), *body)
    until(lambda: file.exists() and "waits" in file.read_text())
    started.process.send_signal(signal.SIGTERM)
    until(lambda: read(loki.settings(), path) == lines_of(file))
    started.process.kill()
    started.ended()
    assert read(loki.settings(), path) == lines_of(file)


def test_a_worker_that_is_killed_has_sent_all_but_its_last_second(loki, start):
    body = ["import time", "for n in range(600): print(n); time.sleep(0.01)", "time.sleep(60)"]
    started, path, file = start(loki.settings(), *body)
    until(lambda: file.exists() and '"event":"300"' in file.read_text())
    started.process.kill()
    started.ended()
    written = lines_of(file)
    found = read(loki.settings(), path)
    assert found == written[: len(found)]
    # Two looks at the file, at the pace of its writing.
    assert len(found) >= len(written) - 150


def test_without_loki_a_task_runs_as_it_would_and_what_is_lost_is_said(start):
    settings = LokiSettings(url="http://127.0.0.1:9", flush_timeout_s=1)
    started, _, file = start(settings, *BODIES["many"])
    assert started.ended() == 0
    said = f"{len(lines_of(file))} lines of the task's log are not in Loki http://127.0.0.1:9"
    assert said in started.printed
    assert "Loki does not answer: ConnectError" in started.printed
    assert started.farewell.ended == "ran"
