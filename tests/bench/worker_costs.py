"""What a task costs in its pod once it is there: processor time and milliseconds, per phase.

The real worker against an API server on loopback that answers at once, so what is seen is the
pod's own part; the cluster's is measured by warm_start.py. Airflow's own worker runs the same
task beside it. Prints a table, or JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import deque
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tradewind import contract
from tradewind.testing.fake_airflow import FakeAirflow, endpoint_says

UPSTREAM = "airflow.sdk.execution_time.execute_workload"
DAG = """
from airflow.sdk import DAG, task

with DAG("tiny", schedule=None):

    @task
    def work():
        return 42

    work()
"""
IDLE_S = 1.0
"""Seconds between boarding and the claim, so that nothing of the start is left over."""


def a_workload():
    ti = {
        "id": str(uuid.uuid4()),
        "dag_version_id": str(uuid.uuid4()),
        "dag_id": "tiny",
        "task_id": "work",
        "run_id": "manual__1",
        "try_number": 1,
        "map_index": -1,
        "pool_slots": 1,
        "priority_weight": 1,
        "queue": "default",
    }
    return {
        "type": "ExecuteTask",
        "ti": ti,
        "dag_rel_path": "tiny.py",
        "token": "token",
        "bundle_info": {"name": "dags-folder"},
        "log_path": "tiny/work.log",
    }


class Bench:
    """One folder, one server, many pods."""

    def __init__(self, folder, airflow):
        self.folder, self.airflow = folder, airflow
        (folder / "dags").mkdir()
        (folder / "dags" / "tiny.py").write_text(DAG)
        (folder / "token").write_text("token")
        self.environment = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "",  # As in an image, whose bytecode is compiled.
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW_CONFIG": os.devnull,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": airflow.execution_url,
            contract.ENV_URL: airflow.board_url,
            contract.ENV_TOKEN_FILE: str(folder / "token"),
            contract.ENV_TERMINATION_FILE: str(folder / "termination-log"),
        }

    def warm(self):
        """Return what one task costs in a pod that waits for it."""
        self.airflow.boarding = deque([endpoint_says(200, a_workload(), after_s=IDLE_S)])
        self.airflow.requests.clear()
        (self.folder / "termination-log").write_text("")
        pid = self._start("tradewind.worker")
        while not self.airflow.requests:
            time.sleep(0.01)
        time.sleep(IDLE_S / 2)
        before_s, memory = _cpu_s(pid), _memory_bytes(pid)
        used_s, ended_s = _reap(pid)
        said = contract.Farewell.decode((self.folder / "termination-log").read_text())
        return {
            "cpu_ms": (used_s - before_s) * 1e3,
            "cpu_before_ms": before_s * 1e3,
            "delivered_to_run_ms": (said.run_s - said.delivered_s) * 1e3,
            "run_to_user_code_ms": (said.user_code_s - said.run_s) * 1e3,
            "user_code_to_exit_ms": (ended_s - said.user_code_s) * 1e3,
            "idle_memory_mib": memory / 2**20,
        }

    def upstream(self):
        """Return what the same task costs with Airflow's own worker, its start included."""
        self.airflow.requests.clear()
        began_s = time.time()
        pid = self._start(UPSTREAM, "--json-string", json.dumps(a_workload()))
        used_s, ended_s = _reap(pid)
        (run,) = self.airflow.of("PATCH", "/run")
        return {
            "cpu_ms": used_s * 1e3,
            "start_to_run_ms": (run.at_s - began_s) * 1e3,
            "run_to_exit_ms": (ended_s - run.at_s) * 1e3,
        }

    def _start(self, program, *arguments):
        command = [sys.executable, "-m", program, *arguments]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL).pid


def _cpu_s(pid):
    """Return what a process that waits has used so far; the kernel counts nanoseconds here."""
    used_ns = Path(f"/proc/{pid}/schedstat").read_text().split()[0]
    return int(used_ns) / 1e9


def _memory_bytes(pid):
    """Return the memory that is the process's own: shared pages count by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"process {pid} has no Pss")


def _reap(pid):
    """Return processor seconds of the process and its children, and when it ended."""
    _, status, usage = os.wait4(pid, 0)
    ended_s = time.time()
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"a worker ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, ended_s


def summary(rows):
    return {
        name: {
            "p50": statistics.median(row[name] for row in rows),
            "p90": statistics.quantiles((row[name] for row in rows), n=10)[-1],
            "max": max(row[name] for row in rows),
        }
        for name in rows[0]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, FakeAirflow().started() as airflow:
        bench = Bench(Path(name), airflow)
        bench.warm()  # Writes bytecode.
        rows = {"warm": [], "upstream": []}
        for _ in range(options.runs):
            rows["warm"].append(bench.warm())
            rows["upstream"].append(bench.upstream())
    found = {case: summary(several) for case, several in rows.items()}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    table = Table("case", "figure", "p50", "p90", "max")
    for case, figures in found.items():
        for figure, values in figures.items():
            table.add_row(case, figure, *(f"{value:.1f}" for value in values.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
