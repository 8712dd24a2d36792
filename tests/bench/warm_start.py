"""How soon a queued task's own code runs: in warm pods, cold, and fifty at once.

Two releases of the same chart, image and values but for the executor and its warm pool: this
executor's, whose pods fetch their workload, and Airflow's KubernetesExecutor, which is installed
after the warm rows, so that its idle components take nothing from them. `user code` is when
the task's first line ran, by its own clock, which is that of the same machine on a one-node
cluster. Where a warm launch's milliseconds went is read from its row in Airflow's audit log.
Prints tables, or JSON with --json; the load of the machine at each phase goes with the figures.
"""

import argparse
import json
import os
import signal
import statistics
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from dag_runs import run_all
from release_under_test import under_test
from rich.console import Console
from rich.progress import Progress
from second_release import changed, installed
from warm_report import show

from tradewind_tools import kubectl

PROVIDER = "airflow.providers.cncf.kubernetes"
EXECUTORS = {
    "tradewind": "tradewind.executor.TradewindExecutor",
    "upstream": f"{PROVIDER}.executors.kubernetes_executor.KubernetesExecutor",
}
QUIET = {
    # Two DAG processors that parse a hundred examples over and over would be most of the load.
    "core": {"load_examples": False},
    "dag_processor": {"min_file_process_interval": 600, "refresh_interval": 600},
}
DAG_FILES = [Path(__file__).parent / "dags" / f"{name}.py" for name in ("warm_start", "cold_start")]
IN_A_ROW, AT_ONCE = 8, 50
FEW, MANY = 10, 50
CALM, CALM_WITHIN_S = 0.5, 90.0
"""Share of the processors that may be busy as a phase begins, for two seconds; and how long that is
waited for."""
FILL_WITHIN_S = 600
ROWS_WITHIN_S = 120
VALUES = {
    "airflow": {
        "config": QUIET
        | {"core": {"load_examples": False, "parallelism": 64, "max_active_tasks_per_dag": 64}}
    },
    # What all tasks wait for goes before any one of them.
    "apiServer": {"resources": {"requests": {"cpu": "400m"}}},
    "postgresql": {"resources": {"requests": {"cpu": "200m"}}},
    "scheduler": {"resources": {"requests": {"cpu": "200m"}}},
    # Fifty idle pods must fit beside two releases.
    "executor": {"podTemplate": {"resources": {"requests": {"cpu": "10m", "memory": "128Mi"}}}},
}


class Release:
    """One of the two, with a client of its API."""

    def __init__(self, name, target, airflow):
        self.name = name
        self.target = target
        self.airflow = airflow

    def run(self, dag_id):
        """Run a DAG once; return its tasks' seconds from queued to user code, by task and index."""
        run_id, instances = run_all(self.airflow, [dag_id])[dag_id]
        found = {}
        for instance in instances:
            task_id, index = instance["task_id"], instance["map_index"]
            path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries"
            value = self.airflow.get(f"{path}/return_value", map_index=index)["value"]
            queued_s = datetime.fromisoformat(instance["queued_when"]).timestamp()
            found[task_id, index] = {"queued_s": queued_s, "user_code_s": float(value)}
        return run_id, found

    def rows(self, dag_id, run_id, count):
        """Return what the audit log measured of a run's launches."""
        deadline = time.monotonic() + ROWS_WITHIN_S
        wanted = {"dag_id": dag_id, "run_id": run_id, "event": "pod measured", "limit": 100}
        while True:
            rows = self.airflow.get("eventLogs", **wanted)["event_logs"]
            if len(rows) >= count or time.monotonic() > deadline:
                return [json.loads(row["extra"]) for row in rows]
            time.sleep(2)

    def resize(self, size):
        """Change the pool's size, which restarts nothing."""
        changed(
            self.target,
            helm=os.environ["HELM4"],
            namespace=self.airflow.namespace,
            more={"executor": {"warmPools": {"default": size}}},
        )

    def await_idle(self, count):
        """Wait until so many idle pods have imported everything, and the machine is calm."""
        deadline = time.monotonic() + FILL_WITHIN_S
        while (waiting := sum(map(_waits, self._idle_pods()))) != count:
            assert time.monotonic() < deadline, f"{waiting} of {count} idle pods"
            time.sleep(2)
        await_calm()

    def _idle_pods(self):
        selector = "tradewind/pool,!tradewind/launch-id"
        return kubectl.items(self.target, "pods", "-n", self.airflow.namespace, "-l", selector)


def _waits(pod):
    [status] = pod["status"].get("containerStatuses") or [{}]
    return "running" in status.get("state", {}) and status.get("started", False)


def await_calm():
    """Wait until the machine is calm; on one that never is, the figures show its load."""
    deadline = time.monotonic() + CALM_WITHIN_S
    while psutil.cpu_percent(interval=2.0) > 100 * CALM and time.monotonic() < deadline:
        pass


def warm(ours, tasks, tick):
    """Run tasks one after the other, each in an idle pod; the pool is full before each row."""
    runs, rows = [], []
    while len(runs) < tasks:
        ours.await_idle(FEW)
        run_id, found = ours.run("warm_row")
        runs += found.values()
        rows += ours.rows("warm_row", run_id, IN_A_ROW)
        tick(IN_A_ROW)
    return {"tasks": runs, "rows": rows}


def cold(ours, theirs, runs, tick):
    """Run the same task on both in turn, in a pod that no pool has."""
    await_calm()
    found = {release.name: [] for release in (ours, theirs)}
    for _ in range(runs + 1):
        for release in (ours, theirs):
            found[release.name] += release.run("cold_start")[1].values()
        tick(1)
    return {name: {"tasks": tasks[1:]} for name, tasks in found.items()}


def burst(release, *, idle):
    """Run fifty tasks at once, after the pool has that many idle pods."""
    release.resize(idle)
    release.await_idle(idle)
    run_id, found = release.run("burst")
    return {"tasks": list(found.values()), "rows": release.rows("burst", run_id, AT_ONCE)}


def cold_bursts(ours, theirs, repeats, tick):
    """Run fifty tasks at once on both in turn, when no pod waits for any."""
    ours.resize(0)
    ours.await_idle(0)
    found = {release.name: [] for release in (ours, theirs)}
    for _ in range(repeats):
        for release in (ours, theirs):
            await_calm()
            found[release.name].append(list(release.run("burst")[1].values()))
            tick(1)
    return {name: {"bursts": bursts} for name, bursts in found.items()}


def measure(ours, upstream, options, progress):
    """Return every phase, each with the machine's load at its beginning.

    `upstream` is a context manager: its release is there only while it is measured, or its
    components would leave too little of a small node to fifty idle pods.
    """
    figures = json.loads(options.earlier.read_text()) if options.earlier else {}
    wanted = options.only or PHASES

    def phase(name, total, function):
        if name not in wanted:
            return
        step = progress.add_task(name, total=total)
        load = os.getloadavg()[0]
        figures[name] = function(lambda done: progress.advance(step, done)) | {"load": load}
        progress.update(step, completed=total)
        if options.save:
            options.save.write_text(json.dumps(figures))

    phase("warm", options.tasks, lambda tick: warm(ours, options.tasks, tick))
    if {"cold", "burst, cold"} & set(wanted):
        runs, bursts = options.runs, options.bursts
        with upstream as theirs:
            phase("cold", runs + 1, lambda tick: cold(ours, theirs, runs, tick))
            phase("burst, cold", 2 * bursts, lambda tick: cold_bursts(ours, theirs, bursts, tick))
    for size in (FEW, MANY):
        phase(f"burst, {size} warm", 1, lambda _, size=size: burst(ours, idle=size))
    return figures


def judged(figures):
    """Return the goals of the phases that there are: name -> seconds reached, and allowed."""
    goals = {}
    for name, goals_of in PHASES.items():
        if name in figures:
            goals |= goals_of(figures[name])
    return goals


def _goals_of_warm(phase):
    seconds = latencies(phase["tasks"])
    cpu = [row["cpu_s"] for row in phase["rows"] if "cpu_s" in row]
    return {
        "warm: queued → user code, p50": (quantile(seconds, 0.5), 0.2),
        "warm: queued → user code, p99": (quantile(seconds, 0.99), 0.5),
        "warm: processor time in the pod, p50": (quantile(cpu, 0.5), 0.12),
    }


def _goals_of_cold(phase):
    p50 = {name: statistics.median(latencies(phase[name]["tasks"])) for name in EXECUTORS}
    return {"cold: p50, upstream's p50 as goal": (p50["tradewind"], p50["upstream"])}


def _goals_of_few(phase):
    few = sorted(latencies(phase["tasks"]))
    return {f"{AT_ONCE} at once, {FEW} warm: the tenth": (few[FEW - 1], 2.5)}


def _goals_of_many(phase):
    p50 = quantile(latencies(phase["tasks"]), 0.5)
    return {f"{AT_ONCE} at once, {MANY} warm: p50": (p50, 5.0)}


def _goals_of_bursts(phase):
    """Medians over the bursts of each: the goals are shares of what upstream's take."""
    whole, p50 = (
        {name: statistics.median(map(function, phase[name]["bursts"])) for name in EXECUTORS}
        for function in (whole_s, lambda tasks: statistics.median(latencies(tasks)))
    )
    return {
        "50 at once, cold: until the last runs, 0.7 of upstream's as goal": (
            whole["tradewind"],
            0.7 * whole["upstream"],
        ),
        "50 at once, cold: p50, half of upstream's as goal": (
            p50["tradewind"],
            0.5 * p50["upstream"],
        ),
    }


PHASES = {
    "warm": _goals_of_warm,
    "cold": _goals_of_cold,
    "burst, cold": _goals_of_bursts,
    f"burst, {FEW} warm": _goals_of_few,
    f"burst, {MANY} warm": _goals_of_many,
}
"""All there are, each with what returns its goals."""


def whole_s(tasks):
    """Return the seconds from the first task queued to the last one's user code."""
    return max(task["user_code_s"] for task in tasks) - min(task["queued_s"] for task in tasks)


def latencies(tasks):
    return [task["user_code_s"] - task["queued_s"] for task in tasks]


def quantile(values, share):
    """Return the value that such a share does not exceed, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)] if ordered else 0.0


@contextmanager
def release_of(name, target):
    """Install one of the two releases; yields it, and removes it."""
    more = json.loads(json.dumps(VALUES))
    if name == "tradewind":
        more["executor"]["warmPools"] = {"default": FEW}
    words = {"executor": EXECUTORS[name], "dags": DAG_FILES, "more": more}
    with installed(target, helm=os.environ["HELM4"], **words) as airflow:
        yield Release(name, target, airflow)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=104, help="warm ones")
    parser.add_argument("--runs", type=int, default=12, help="cold ones, of each executor")
    parser.add_argument("--bursts", type=int, default=3, help="cold ones, of each executor")
    parser.add_argument("--only", action="append", choices=PHASES, help="may be repeated")
    parser.add_argument("--earlier", type=Path, help="a saved result for the phases left out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", type=Path, help="JSON file, written after each phase")
    options = parser.parse_args()
    target = under_test()
    # Both releases are removed, too, when the time of the run is over.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        release_of("tradewind", target) as ours,
        Progress(console=Console(stderr=True)) as progress,
    ):
        figures = measure(ours, release_of("upstream", target), options, progress)
    goals = judged(figures)
    if options.json:
        print(json.dumps({"goals": goals, "phases": figures}, indent=2))
    else:
        show(figures, goals)


if __name__ == "__main__":
    main()
