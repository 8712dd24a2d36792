"""The real program against an API server on loopback; more of it in the integration tier."""

import json
import signal
from collections import deque
from itertools import pairwise

from worker_pod import TOKEN, WORKLOAD_TOKEN, until

from tradewind.testing.fake_airflow import endpoint_says

PROBE = """
import os, sys, time

log = os.open({path!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

class Probe:
    def find_spec(self, name, path=None, target=None):
        os.write(log, f"{{time.time()}} {{name}}\\n".encode())

sys.meta_path.insert(0, Probe())
"""


def imported_since(path, moment_s):
    lines = (line.split() for line in path.read_text().splitlines())
    return [name for at_s, name in lines if float(at_s) > moment_s]


def test_a_task_runs_from_boarding_to_farewell(airflow, pod, a_task, dag_file, tmp_path):
    (tmp_path / "import_probe.py").write_text(PROBE.format(path=str(tmp_path / "imports")))
    workload = a_task(dag_file('print("in user code")', "return {'answer': 42}"))
    airflow.boarding = deque([endpoint_says(204), endpoint_says(200, workload)])
    ended = pod(PYTHONPATH=str(tmp_path), TRADEWIND_PRELOAD="import_probe")
    assert ended.ended() == 0, ended.printed
    farewell = ended.farewell
    assert farewell.ended == "ran"

    # Airflow was told what Airflow's own worker tells it, after the workload had arrived.
    boarded, again, run, *_ = airflow.requests
    assert (boarded.path, again.path) == ("/tradewind/v1/board",) * 2
    assert run.path.endswith(f"/{workload['ti']['id']}/run")
    assert run.token == WORKLOAD_TOKEN
    (state,) = airflow.of("PATCH", "/state")
    assert state.body["state"] == "success"
    (xcom,) = airflow.of("POST", "/xcoms/tiny/manual__1/work/return_value")
    assert xcom.body == {"answer": 42}
    moments = [
        again.at_s,
        farewell.delivered_s,
        farewell.run_s,
        run.at_s,
        farewell.user_code_s,
        state.at_s,
        farewell.ended_s,
    ]
    assert all(earlier <= later for earlier, later in pairwise(moments))

    # Its output is Airflow's JSON lines, the task's own among them, and nothing secret.
    assert "in user code" in [line["event"] for line in ended.lines]
    assert TOKEN not in ended.printed
    assert WORKLOAD_TOKEN not in ended.printed
    assert "eyJ" not in (tmp_path / "termination-log").read_text()

    # Everything it needed was loaded before the workload came.
    assert imported_since(tmp_path / "imports", farewell.delivered_s) == []


def test_an_idle_pod_says_when_it_waits_and_sigterm_ends_it_at_once(airflow, pod, tmp_path):
    airflow.boarding = deque([endpoint_says(204, after_s=60)])
    idle = pod(TRADEWIND_READY_FILE=str(tmp_path / "ready"))
    until(lambda: airflow.requests)
    assert (tmp_path / "ready").exists()
    idle.process.send_signal(signal.SIGTERM)
    assert idle.ended() == 0
    assert idle.farewell.ended == "not_started"
    assert idle.farewell.reason == "ended by SIGTERM before a task began"


def test_a_workload_that_cannot_be_read_is_told_without_quoting_it(pod, a_task, dag_file):
    workload = a_task(dag_file())
    del workload["ti"]["task_id"]
    ended = pod("--json-string", json.dumps(workload))
    assert ended.ended() == 75
    assert ended.farewell.ended == "not_started"
    assert "ExecuteTask.ti.task_id (missing)" in ended.farewell.reason
    assert "the same version of Airflow" in ended.farewell.reason
    assert WORKLOAD_TOKEN not in ended.printed
