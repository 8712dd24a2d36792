"""How long a task takes while its log goes to Loki, and while Loki is away or slow.

`./task bench:logs` prints the figures of docs/logs.md: seconds from the worker's "it runs" to its
"it ended", as Airflow counts a task's duration, medians of rounds that take turns.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loki_server import Loki
from worker_costs import Bench, a_workload

from tradewind.testing.fake_airflow import FakeAirflow

DAG = """
import time

from airflow.sdk import DAG, task

with DAG("tiny", schedule=None):

    @task
    def work():
        for n in range({lines}):
            print(f"line {{n}} of a task that says what it does in about as many words as tasks do")
            time.sleep({pause})

    work()
"""
BODIES = {
    "200 lines a second for 10 s": {"lines": 2_000, "pause": 0.005},
    "50,000 lines without a pause": {"lines": 50_000, "pause": 0},
}
SLOW_S = 5.0


class SlowLoki:
    """Takes every push, after seconds."""

    def __init__(self):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(SLOW_S)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


class Tasks(Bench):
    """Runs the same task with one Loki or another."""

    def duration_s(self, url, body):
        (self.folder / "dags" / "tiny.py").write_text(DAG.format(**body))
        self.airflow.requests.clear()
        workload = a_workload()
        run = f"manual__{time.time_ns()}"
        workload["log_path"] = f"dag_id=tiny/run_id={run}/task_id=work/attempt=1.log"
        told = {
            "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "tradewind.log_view.LOGGING_CONFIG",
            "AIRFLOW__TRADEWIND__LOKI_URL": url,
            "AIRFLOW__TRADEWIND__LOKI_FLUSH_TIMEOUT": "1",
        }
        command = [sys.executable, "-m", "tradewind.worker", "--json-string", json.dumps(workload)]
        environment = self.environment | (told if url else {})
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=300)
        (began,) = self.airflow.of("PATCH", "/run")
        (ended,) = self.airflow.of("PATCH", "/state")
        return ended.at_s - began.at_s


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name, FakeAirflow().started() as airflow:
        folder = Path(name)
        (folder / "loki").mkdir()
        loki = Loki(folder / "loki").start()
        try:
            urls = {"none": "", "Loki": loki.url, "away": "http://127.0.0.1:9"}
            urls["slow"] = SlowLoki().url
            tasks = Tasks(folder, airflow)
            for what, body in BODIES.items():
                tell(what, {case: [] for case in urls}, tasks, urls, body, rounds)
        finally:
            loki.stop()


def tell(what, taken, tasks, urls, body, rounds):
    for _ in range(rounds):
        for case, url in urls.items():
            taken[case].append(tasks.duration_s(url, body))
    print(f"{what}, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    without = statistics.median(taken["none"])
    for case, seconds in taken.items():
        median = statistics.median(seconds)
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        print(f"  {case:5} {median:8.3f} s ({spread}), {100 * (median / without - 1):+.1f} %")


if __name__ == "__main__":
    main()
