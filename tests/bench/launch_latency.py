"""Queued to started, one task at a time: this executor beside Airflow's KubernetesExecutor.

Same chart, image and cluster; a run on one release is followed by a run on the other, so that a
slow moment of the machine hits both. Prints a table, or JSON with --json. Started is the moment
the worker's first call reached Airflow (`start_date`): imports are done, user code comes next.
"""

import argparse
import json
import statistics
from datetime import datetime

from dag_runs import run_all
from release_under_test import under_test
from rich.console import Console
from rich.progress import track
from rich.table import Table
from second_release import installed

from tradewind_tools import airflow_api

DAG = "example_display_name"
UPSTREAM = "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"
WARM_UP = 1


def latency_s(airflow):
    """Run the DAG once; return the seconds of its first task from queued to started."""
    _, instances = run_all(airflow, [DAG])[DAG]
    first = min((i for i in instances if i["queued_when"]), key=lambda i: i["queued_when"])
    begin, end = (datetime.fromisoformat(first[name]) for name in ("queued_when", "start_date"))
    return (end - begin).total_seconds()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target = under_test()
    samples = {"tradewind": [], "upstream": []}
    with (
        airflow_api.connect(target) as ours,
        installed(target, executor=UPSTREAM) as theirs,
    ):
        steps = track(range(options.runs + WARM_UP), console=Console(stderr=True))
        for number in steps:
            for name, airflow in (("tradewind", ours), ("upstream", theirs)):
                seconds = latency_s(airflow)
                if number >= WARM_UP:
                    samples[name].append(seconds)
    report(samples, as_json=options.json)


def report(samples, *, as_json):
    medians = {name: statistics.median(values) for name, values in samples.items()}
    ratio = medians["tradewind"] / medians["upstream"]
    if as_json:
        print(json.dumps({"samples_s": samples, "p50_s": medians, "ratio": ratio}))
        return
    table = Table("executor", "runs", "min s", "p50 s", "max s")
    for name, values in samples.items():
        figures = (min(values), medians[name], max(values))
        table.add_row(name, str(len(values)), *(f"{figure:.2f}" for figure in figures))
    Console().print(table)
    print(f"ratio of medians: {ratio:.2f}")


if __name__ == "__main__":
    main()
