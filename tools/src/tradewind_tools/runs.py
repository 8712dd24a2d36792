"""Run a DAG and tell what became of every task: pod, node, queued to start, duration, state.

Which node a pod ran on comes from a watch that starts before the run, since pods of finished
tasks are gone by the time the run ends.
"""

import difflib
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from rich.table import Table

from tradewind_tools import console, kubectl
from tradewind_tools.airflow_api import NAMESPACE, Airflow, connect
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target

PARSE_TIMEOUT_S = 120.0
"""A fresh release needs some seconds until its first DAGs are parsed."""
POLL_INTERVAL_S = 0.5
FINAL_STATES = ("success", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run."""

    conf: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 900.0
    parse_timeout_s: float = 5.0
    """Wait this long for the DAG to be parsed before it counts as unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task instance, as people want to see it."""

    task: str
    pod: str
    node: str
    queued_to_start_s: float | None
    duration_s: float | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    dag: str
    run: str
    state: str
    tasks: list[TaskRow]


def parse_conf(text: str) -> dict[str, Any]:
    """Return the run's conf; raises ToolError unless it is a JSON object."""
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise ToolError(f"--conf is no JSON ({error}): {text[:80]}") from error
    if not isinstance(conf, dict):
        raise ToolError(f"--conf must be a JSON object such as '{{\"key\": 1}}': {text[:80]}")
    return conf


def command(target: Target, *, dag_id: str, options: Options, as_json: bool) -> int:
    """Run a DAG and print the result; return 1 when the run failed."""
    with connect(target) as airflow:
        finished = run(target, airflow, dag_id=dag_id, options=options)
    if as_json:
        print(json.dumps(asdict(finished), indent=2))
    else:
        console.out.print(table(finished))
    return 0 if finished.state == "success" else 1


def run(target: Target, airflow: Airflow, *, dag_id: str, options: Options) -> Run:
    """Trigger a DAG, wait for its end with live progress, return what happened."""
    find(airflow, dag_id, timeout_s=options.parse_timeout_s)
    with pods_seen(target) as nodes, console.step(f"running {dag_id}") as step:
        run_id = airflow.trigger(dag_id, conf=options.conf)
        deadline_s = time.monotonic() + options.timeout_s
        while (state := airflow.run_state(dag_id, run_id)) not in FINAL_STATES:
            if time.monotonic() > deadline_s:
                raise WorkFailedError(
                    f"run {run_id} of {dag_id} is still {state} after {options.timeout_s:.0f} s: "
                    f"it goes on, see ./task status"
                )
            step.note(summary(airflow.task_instances(dag_id, run_id)))
            time.sleep(POLL_INTERVAL_S)
        step.result = state
        rows = [task_row(item, nodes=nodes) for item in airflow.task_instances(dag_id, run_id)]
    return Run(dag=dag_id, run=run_id, state=state, tasks=rows)


def find(airflow: Airflow, dag_id: str, *, timeout_s: float) -> None:
    """Return when the DAG is known; raises ToolError with names like it when it stays unknown."""
    deadline_s = time.monotonic() + timeout_s
    known = airflow.dag_ids()
    if dag_id in known:
        return
    with console.step(f"waiting for DAG {dag_id} to be parsed") as step:
        while dag_id not in known:
            if time.monotonic() > deadline_s:
                raise ToolError(unknown_dag(dag_id, known=known, broken=airflow.import_errors()))
            step.note(f"{len(known)} DAGs known")
            time.sleep(POLL_INTERVAL_S)
            known = airflow.dag_ids()


def unknown_dag(dag_id: str, *, known: Sequence[str], broken: Sequence[str]) -> str:
    """Return the sentence for a DAG that does not exist."""
    close = difflib.get_close_matches(dag_id, known, n=4, cutoff=0.5)
    close += [name for name in known if dag_id in name and name not in close][:4]
    hint = f"did you mean {', '.join(close)}?" if close else f"{len(known)} DAGs are known"
    failed = f" (files that do not parse: {', '.join(broken)})" if broken else ""
    return f"no DAG {dag_id!r}: {hint}{failed}"


def summary(instances: Sequence[Mapping[str, Any]]) -> str:
    """Return how many task instances are in which state, such as `2 running, 1 success`."""
    counts: dict[str, int] = {}
    for item in instances:
        state = item["state"] or "waiting"
        counts[state] = counts.get(state, 0) + 1
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def task_row(item: Mapping[str, Any], *, nodes: Mapping[str, str]) -> TaskRow:
    """Return the row of a task instance as the REST API describes it."""
    mapped = f"[{item['map_index']}]" if item["map_index"] >= 0 else ""
    pod = item["hostname"] or ""
    return TaskRow(
        task=f"{item['task_id']}{mapped}",
        pod=pod,
        node=nodes.get(pod, ""),
        queued_to_start_s=_between(item["queued_when"], item["start_date"]),
        duration_s=item["duration"],
        state=item["state"] or "none",
    )


def table(finished: Run) -> Table:
    """Return the table that ends a run."""
    shown = Table("DAG", "task", "pod", "node", title=finished.run, title_justify="left")
    for heading in ("queued→start s", "duration s"):
        shown.add_column(heading, justify="right")
    shown.add_column("state")
    for row in finished.tasks:
        color = {"success": "green", "failed": "red", "upstream_failed": "red"}.get(row.state)
        state = f"[{color}]{row.state}[/{color}]" if color else row.state
        seconds = (_seconds(row.queued_to_start_s), _seconds(row.duration_s))
        shown.add_row(finished.dag, row.task, row.pod, row.node, *seconds, state)
    return shown


@contextmanager
def pods_seen(target: Target) -> Iterator[dict[str, str]]:
    """Collect pod name -> node of every pod that exists while the block runs."""
    columns = "custom-columns=NAME:.metadata.name,NODE:.spec.nodeName"
    watch = kubectl.background(
        target, "-n", NAMESPACE, "get", "pods", "--watch", "--no-headers", "-o", columns
    )
    nodes: dict[str, str] = {}
    reader = threading.Thread(target=_collect, args=(watch.stdout, nodes), daemon=True)
    reader.start()
    try:
        yield nodes
    finally:
        watch.terminate()
        watch.wait()
        reader.join()


def _collect(lines: Any, nodes: dict[str, str]) -> None:
    for line in lines:
        name, node = line.split()
        if node != "<none>":
            nodes[name] = node


def _between(begin: str | None, end: str | None) -> float | None:
    if not begin or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
