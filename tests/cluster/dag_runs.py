"""Run many DAGs side by side and wait for their ends."""

import time

from tradewind_tools.runs import FINAL_STATES

RUN_TIMEOUT_S = 900
PARSE_TIMEOUT_S = 180


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
    await_dags(airflow, dag_ids)
    runs = {dag_id: airflow.trigger(dag_id, conf={}) for dag_id in dag_ids}
    deadline = time.monotonic() + RUN_TIMEOUT_S
    waiting = dict(runs)
    while waiting:
        for dag_id, run_id in list(waiting.items()):
            if airflow.run_state(dag_id, run_id) in FINAL_STATES:
                del waiting[dag_id]
        assert time.monotonic() < deadline, f"unfinished: {sorted(waiting)}"
        time.sleep(1)
    return {dag_id: (run, airflow.task_instances(dag_id, run)) for dag_id, run in runs.items()}
