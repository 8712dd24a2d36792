"""Run many DAGs side by side and wait for their ends."""

import time

from tradewind_tools.airflow_api import new_run_id
from tradewind_tools.runs import FINAL_STATES

RUN_TIMEOUT_S = 900
PARSE_TIMEOUT_S = 180


def until(claim, *, what, timeout_s, every_s=1):
    """Return the first answer of `claim` that is true; `what` says, or returns, what is amiss."""
    deadline = time.monotonic() + timeout_s
    while not (found := claim()):
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(every_s)
    return found


def await_dags(airflow, dag_ids):
    deadline = time.monotonic() + PARSE_TIMEOUT_S
    while missing := set(dag_ids) - set(airflow.dag_ids()):
        broken = [
            item["stack_trace"][-500:] for item in airflow.get("importErrors")["import_errors"]
        ]
        assert not broken, broken
        assert time.monotonic() < deadline, f"not parsed: {sorted(missing)}"
        time.sleep(1)


def run_all(airflow, dag_ids):
    """Run every DAG once, side by side; return dag_id -> (run id, its task instances)."""
    return finished(airflow, start_all(airflow, dag_ids))


def start_all(airflow, dag_ids, *, kind=""):
    """Start a run of every DAG; return dag_id -> run id, which begins with `kind`."""
    await_dags(airflow, dag_ids)
    return {
        dag_id: airflow.trigger(dag_id, conf={}, run_id=f"{kind}{new_run_id()}")
        for dag_id in dag_ids
    }


def finished(airflow, runs):
    """Wait until all runs have ended; return dag_id -> (run id, its task instances)."""
    await_ends(airflow, runs)
    return {dag_id: (run, airflow.task_instances(dag_id, run)) for dag_id, run in runs.items()}


def await_ends(airflow, runs, *, timeout_s=RUN_TIMEOUT_S):
    """Wait until every run (dag_id -> run id) has ended; return dag_id -> its final state."""
    deadline = time.monotonic() + timeout_s
    ended = {}
    while unfinished := sorted(runs.keys() - ended.keys()):
        for dag_id in unfinished:
            if (state := airflow.run_state(dag_id, runs[dag_id])) in FINAL_STATES:
                ended[dag_id] = state
        assert time.monotonic() < deadline, f"unfinished: {unfinished}"
        time.sleep(1)
    return ended
