"""What an installed release costs while nothing is to do: processor and memory, pod by pod.

Installs the chart with its own defaults, one replica of each component, waits until start-ups are
over, and reads the kubelets' counters at the beginning and the end of a quiet time. Memory is the
working set, which is what a node's eviction and a container's limit look at; the resident part of
it beside it cannot be given back. Prints a table, or JSON with --json; the machine's load at the
beginning goes with the figures.
"""

import argparse
import json
import os
import time

from release_under_test import under_test
from rich.console import Console
from rich.progress import track
from rich.table import Table
from second_release import installed

from tradewind.provider import EXECUTOR
from tradewind_tools import kubectl

CPU_GOAL_MILLICORES, MEMORY_GOAL_MB = 60, 1300
VALUES = {"postgresql": {"storage": {"size": "1Gi"}}, "triggerer": {"enabled": True}}
COMPONENT = "app.kubernetes.io/component"


def usage(target, namespace):
    """Return component -> (CPU seconds so far, working set MB, resident MB) of running pods."""
    pods = {pod["metadata"]["uid"]: pod for pod in kubectl.items(target, "pods", "-n", namespace)}
    found = {}
    for node in kubectl.items(target, "nodes"):
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        for stats in json.loads(kubectl.run(target, "get", "--raw", path))["pods"]:
            pod = pods.get(stats["podRef"]["uid"])
            if pod and pod["status"]["phase"] == "Running":
                cpu_s = stats["cpu"]["usageCoreNanoSeconds"] / 1e9
                memory = stats["memory"]
                found[pod["metadata"]["labels"][COMPONENT]] = (
                    cpu_s,
                    memory["workingSetBytes"] / 1e6,
                    memory["rssBytes"] / 1e6,
                )
    return found


def wait(seconds, what):
    for _ in track(range(seconds), description=what, console=Console(stderr=True), transient=True):
        time.sleep(1)


def measure(target, namespace, *, settle_s, seconds):
    """Return component -> {millicores, working_set_mb, resident_mb} over so many seconds."""
    wait(settle_s, "settling")
    before, began = usage(target, namespace), time.monotonic()
    wait(seconds, "measuring")
    after, took_s = usage(target, namespace), time.monotonic() - began
    return {
        component: {
            "millicores": 1000 * (cpu_s - before[component][0]) / took_s,
            "working_set_mb": working_set_mb,
            "resident_mb": resident_mb,
        }
        for component, (cpu_s, working_set_mb, resident_mb) in sorted(after.items())
    }


def show(figures, load):
    table = Table("component", "mCPU", "working set MB", "of it resident MB")
    for component, row in figures.items():
        table.add_row(component, *(f"{value:.0f}" for value in row.values()))
    sums = {key: sum(row[key] for row in figures.values()) for key in next(iter(figures.values()))}
    table.add_section()
    table.add_row("all", *(f"{value:.0f}" for value in sums.values()))
    table.add_row("goal", str(CPU_GOAL_MILLICORES), str(MEMORY_GOAL_MB), "")
    table.caption = f"load of the machine at the beginning: {load:.1f}"
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settle", type=int, default=120, help="seconds before, 120 by default")
    parser.add_argument("--seconds", type=int, default=180, help="measured, 180 by default")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target = under_test()
    helm = os.environ["HELM4"]
    with installed(target, helm=helm, executor=EXECUTOR, more=VALUES, environment=()) as airflow:
        load = os.getloadavg()[0]
        figures = measure(
            target, airflow.namespace, settle_s=options.settle, seconds=options.seconds
        )
    if options.json:
        Console().print_json(data={"load": load, "components": figures})
    else:
        show(figures, load)


if __name__ == "__main__":
    main()
