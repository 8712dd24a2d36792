"""Queued to user code, one task at a time: this executor beside Airflow's KubernetesExecutor.

Two releases of the same chart, image and values but for the executor; a run on one is followed by a
run on the other, so that a slow moment of the machine hits both. Prints a table, or JSON with
--json. `started` is when the worker's first call reached Airflow, `user code` when the task's first
line ran, by its own clock, which is that of the same machine on a one-node cluster. A release of
`./task up` beside them is load: take it down first, and bring the cluster back with
`./task images:build`.
"""

import argparse
import json
import os
import statistics
from datetime import datetime
from pathlib import Path

from dag_runs import run_all
from release_under_test import under_test
from rich.console import Console
from rich.progress import track
from rich.table import Table
from second_release import installed

DAG_FILE = Path(__file__).parent / "dags" / "launch_latency.py"
DAG = "launch_latency"
PROVIDER = "airflow.providers.cncf.kubernetes"
EXECUTORS = {
    "tradewind": "tradewind.executor.TradewindExecutor",
    "upstream": f"{PROVIDER}.executors.kubernetes_executor.KubernetesExecutor",
}
STEPS = ("started", "user code")
WARM_UP = 1
QUIET = {
    # Two DAG processors that parse a hundred examples over and over would be most of the load.
    "core": {"load_examples": False},
    "dag_processor": {"min_file_process_interval": 600, "refresh_interval": 600},
}


def seconds(airflow):
    """Run the DAG once; return seconds from queued to each step."""
    run_id, [instance] = run_all(airflow, [DAG])[DAG]
    queued, started = (
        datetime.fromisoformat(instance[name]).timestamp() for name in ("queued_when", "start_date")
    )
    path = f"dags/{DAG}/dagRuns/{run_id}/taskInstances/first_line/xcomEntries/return_value"
    first_line = float(airflow.get(path)["value"])
    return {"started": started - queued, "user code": first_line - queued}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with_executor = {
        name: installed(
            under_test(),
            helm=os.environ["HELM4"],
            executor=path,
            dags=[DAG_FILE],
            more={"airflow": {"config": QUIET}},
        )
        for name, path in EXECUTORS.items()
    }
    samples = {name: [] for name in EXECUTORS}
    with with_executor["tradewind"] as ours, with_executor["upstream"] as theirs:
        for number in track(range(options.runs + WARM_UP), console=Console(stderr=True)):
            for name, airflow in (("tradewind", ours), ("upstream", theirs)):
                found = seconds(airflow)
                if number >= WARM_UP:
                    samples[name].append(found)
    report(samples, as_json=options.json)


def report(samples, *, as_json):
    by_step = {
        step: {name: [run[step] for run in runs] for name, runs in samples.items()}
        for step in STEPS
    }
    medians = {
        step: {name: statistics.median(values) for name, values in by_name.items()}
        for step, by_name in by_step.items()
    }
    if as_json:
        print(json.dumps({"samples_s": by_step, "p50_s": medians}, indent=2))
        return
    table = Table("queued →", "executor", "runs", "min s", "p50 s", "max s", "p50 / upstream")
    for step, by_name in by_step.items():
        for name, values in by_name.items():
            p50 = medians[step][name]
            figures = (f"{figure:.2f}" for figure in (min(values), p50, max(values)))
            ratio = p50 / medians[step]["upstream"]
            table.add_row(step, name, str(len(values)), *figures, f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
