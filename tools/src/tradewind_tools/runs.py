"""Run a DAG: trigger it, show how it goes, tell what became of every task.

Where tasks ran comes from a record of pods that starts before the run; pods of finished tasks are
gone by the time the run ends.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tradewind_tools import console, report
from tradewind_tools.airflow_api import PARSE_TIMEOUT_S, Airflow, connect
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.pod_record import PodRecorder
from tradewind_tools.target import Target

POLL_INTERVAL_S = 1.0
FINAL_STATES = ("success", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run."""

    conf: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 900.0
    parse_timeout_s: float = PARSE_TIMEOUT_S
    """Wait at most this long while a fresh release still parses its DAGs."""


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
        print(json.dumps(report.document(finished), indent=2))
    else:
        console.out.print(report.table(finished))
    return 0 if finished.state == "success" else 1


def run(target: Target, airflow: Airflow, *, dag_id: str, options: Options) -> report.Run:
    """Trigger a DAG, wait for its end with live progress, return what happened.

    A paused DAG is unpaused, as nothing of it would run otherwise. When the time is up or the user
    interrupts, the run goes on in Airflow.
    """
    airflow.find_dag(dag_id, timeout_s=options.parse_timeout_s)
    with (
        PodRecorder(target, namespace=target.namespace) as recorder,
        console.step(f"running {dag_id}") as step,
    ):
        run_id = airflow.trigger(dag_id, conf=options.conf)
        try:
            ended = _wait(airflow, dag_id, run_id, timeout_s=options.timeout_s, step=step)
        except KeyboardInterrupt:
            console.warn(f"run {run_id} of {dag_id} goes on in Airflow")
            raise
        recorder.catch_up()
        step.result = f"{ended['state']}, {len(recorder.pods(run_ids=[run_id]))} pods"
    tries = every_try(airflow, dag_id, run_id)
    return report.Run(
        dag=dag_id,
        run=run_id,
        state=ended["state"],
        duration_s=report.seconds_between(ended["start_date"], ended["end_date"]),
        tasks=report.rows(tries, places=recorder.places()),
    )


def every_try(airflow: Airflow, dag_id: str, run_id: str) -> list[Mapping[str, Any]]:
    """Return all tries of all task instances of a run."""
    found: list[Mapping[str, Any]] = []
    for instance in airflow.task_instances(dag_id, run_id):
        found += airflow.tries(instance) if instance["try_number"] > 1 else [instance]
    return found


def _wait(
    airflow: Airflow, dag_id: str, run_id: str, *, timeout_s: float, step: console.Step
) -> dict[str, Any]:
    deadline_s = time.monotonic() + timeout_s
    while (found := airflow.run(dag_id, run_id))["state"] not in FINAL_STATES:
        if time.monotonic() > deadline_s:
            raise WorkFailedError(
                f"run {run_id} of {dag_id} is still {found['state']} after {timeout_s:.0f} s: it "
                f"goes on in Airflow, see why with `./task status` and `./task logs scheduler`"
            )
        step.note(report.summary(airflow.task_instances(dag_id, run_id)))
        time.sleep(POLL_INTERVAL_S)
    return found
