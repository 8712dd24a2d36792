"""The worker beside Airflow's own, program against program, with an API server on loopback."""

import json
import signal
import uuid
from collections import deque

import pytest
from worker_pod import WORKLOAD_TOKEN, a_task, airflow, dag_file, pod, token_file, until

from tradewind import contract
from tradewind.testing.fake_airflow import Said, endpoint_says

__all__ = ["a_task", "airflow", "dag_file", "pod", "token_file"]

OURS = "tradewind.worker"
UPSTREAM = "airflow.sdk.execution_time.execute_workload"
BODIES = {
    "success": ['print("said")', "return 42"],
    "failure": ['raise ValueError("no")'],
    "exit": ["raise SystemExit(3)"],
    "killed": ["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)"],
}


def a_callback(dag_file, *, path):
    return {
        "type": "ExecuteCallback",
        "callback": {
            "id": str(uuid.uuid4()),
            "fetch_method": "import_path",
            "data": {"path": path, "kwargs": {}},
        },
        "dag_rel_path": dag_file.name,
        "token": WORKLOAD_TOKEN,
        "bundle_info": {"name": "dags-folder"},
        "log_path": "callbacks/1.log",
    }


def a_connection_test():
    return {
        "type": "TestConnection",
        "connection_test_id": str(uuid.uuid4()),
        "connection_id": "files",
        "timeout": 10,
        "token": WORKLOAD_TOKEN,
    }


def a_connection(path):
    connection = {"conn_id": "files", "conn_type": "fs", "extra": json.dumps({"path": path})}
    return Said(body=json.dumps(connection).encode())


def what_it_did(airflow, pod, program, workload):
    """Return exit code, requests, and what was logged, of one run of a program."""
    airflow.requests.clear()
    ended = pod("--json-string", json.dumps(workload), program=program)
    exit_code = ended.ended()
    requests = [(one.method, one.path) for one in airflow.requests if "heartbeat" not in one.path]
    assert WORKLOAD_TOKEN not in ended.printed
    logged = [
        (line["level"], line["event"])
        for line in ended.lines
        # A process id is in it.
        if not line["event"].startswith("Process exited")
    ]
    return exit_code, requests, sorted(logged), ended


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_task_runs_as_with_airflows_own_worker(airflow, pod, a_task, dag_file, body):
    workload = a_task(dag_file(*body))
    *theirs, _ = what_it_did(airflow, pod, UPSTREAM, workload)
    *ours, ended = what_it_did(airflow, pod, OURS, workload)
    assert ours == theirs
    farewell = ended.farewell
    assert (farewell.ended, farewell.reason) == ("ran", "")
    assert farewell.delivered_s < farewell.run_s < farewell.user_code_s


@pytest.mark.parametrize(("path", "exit_code"), [("os.getcwd", 0), ("os.abort_not", 1)])
def test_a_callback_runs_as_with_airflows_own_worker(airflow, pod, dag_file, path, exit_code):
    workload = a_callback(dag_file(), path=path)
    *theirs, _ = what_it_did(airflow, pod, UPSTREAM, workload)
    *ours, ended = what_it_did(airflow, pod, OURS, workload)
    assert ours == theirs
    assert ours[0] == exit_code
    assert (ended.farewell.ended, ended.farewell.run_s) == ("ran", None)


@pytest.mark.parametrize(("path", "state"), [("/", "success"), ("/not/there", "failed")])
def test_a_connection_test_runs_as_with_airflows_own_worker(airflow, pod, path, state):
    airflow.answers["/connection"] = a_connection(path)
    workload = a_connection_test()
    *theirs, _ = what_it_did(airflow, pod, UPSTREAM, workload)
    *ours, ended = what_it_did(airflow, pod, OURS, workload)
    assert ours == theirs
    assert airflow.requests[-1].body["state"] == state
    assert ended.farewell.ended == "ran"


@pytest.mark.parametrize("kind", ["callback", "connection test"])
def test_what_is_no_task_boards_too(airflow, pod, dag_file, kind):
    airflow.answers["/connection"] = a_connection("/")
    workload = (
        a_callback(dag_file(), path="os.getcwd") if kind == "callback" else a_connection_test()
    )
    airflow.boarding = deque([endpoint_says(200, workload)])
    ended = pod()
    assert ended.ended() == 0
    assert ended.farewell.ended == "ran"


@pytest.mark.parametrize("state", ["running", "success"])
def test_a_task_that_was_somebody_elses_ends_well_and_quietly(
    airflow, pod, a_task, dag_file, state
):
    detail = {"reason": "invalid_state", "message": "no", "previous_state": state}
    airflow.run = deque([Said(status=409, body=json.dumps({"detail": detail}).encode())])
    ended = pod("--json-string", json.dumps(a_task(dag_file('print("ran")'))))
    assert ended.ended() == 0
    assert ended.farewell.ended == "superseded"
    assert ended.farewell.reason == f"the task instance is {state}, no longer queued"
    assert ended.farewell.user_code_s is None
    assert not any("exception" in line for line in ended.lines)


def test_a_task_that_airflow_never_let_start_is_told_so(airflow, pod, a_task, dag_file):
    airflow.run = deque([Said(status=503, body=b'{"detail": "no database"}')])
    ended = pod(
        "--json-string",
        json.dumps(a_task(dag_file('print("ran")'))),
        TRADEWIND_START_BUDGET="0",
        AIRFLOW__WORKERS__EXECUTION_API_RETRIES="2",
        AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MIN="0.01",
        AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX="0.02",
    )
    assert ended.ended() == contract.EXIT_NOT_STARTED
    assert ended.farewell.ended == "not_started"
    assert "did not start the task: 503" in ended.farewell.reason
    assert len(airflow.of("PATCH", "/run")) == 2
    assert "ran" not in [line["event"] for line in ended.lines]


def test_a_task_whose_start_is_answered_late_runs(airflow, pod, a_task, dag_file):
    no_answer = Said(status=503, body=b'{"detail": "no database"}')
    airflow.run = deque([no_answer, no_answer, *airflow.run])
    ended = pod(
        "--json-string",
        json.dumps(a_task(dag_file('print("ran")'))),
        AIRFLOW__WORKERS__EXECUTION_API_RETRIES="1",
    )
    assert (ended.ended(), ended.farewell.ended) == (0, "ran")
    assert "ran" in [line["event"] for line in ended.lines]


def test_a_start_budget_that_is_no_number_is_one_sentence(pod, a_task, dag_file):
    ended = pod(
        "--json-string",
        json.dumps(a_task(dag_file('print("ran")'))),
        TRADEWIND_START_BUDGET="long",
    )
    assert ended.ended() == contract.EXIT_NOT_STARTED
    said = "TRADEWIND_START_BUDGET is 'long': give a number of seconds"
    assert ended.farewell.reason == said


def test_sigterm_reaches_a_running_task_as_with_airflows_own_worker(
    airflow, pod, a_task, dag_file, tmp_path
):
    began = tmp_path / "began"
    workload = a_task(dag_file("import time", f"open({str(began)!r}, 'w')", "time.sleep(2)"))
    events = {}
    for program in (UPSTREAM, OURS):
        began.unlink(missing_ok=True)
        running = pod("--json-string", json.dumps(workload), program=program)
        until(began.exists)
        running.process.send_signal(signal.SIGTERM)
        exit_code = running.ended()
        told = [line["event"] for line in running.lines]
        events[program] = (exit_code, "Received signal, forwarding to task subprocess" in told)
    assert events[OURS] == events[UPSTREAM]
    assert events[OURS][1]
    assert running.farewell.ended == "ran"


def test_a_pod_outlives_a_restart_of_the_server(airflow, pod, a_task, dag_file):
    page = Said(body=b"<html>", content_type="text/html")
    workload = a_task(dag_file())
    airflow.boarding = deque(
        [
            Said(drops=True),
            Said(status=502, body=b"bad gateway", content_type="text/plain"),
            page,
            endpoint_says(401, {"detail": "no keys yet"}),
            endpoint_says(204),
            endpoint_says(200, workload),
        ]
    )
    ended = pod()
    assert ended.ended() == 0
    assert ended.farewell.ended == "ran"
    warnings = [line["event"] for line in ended.lines if line["level"] == "warning"]
    for words in ("cannot be reached", "answers 502", "install the same", "identity: no keys yet"):
        assert any(words in warning for warning in warnings), words


def test_a_launch_that_is_gone_ends_its_pod_well(airflow, pod):
    airflow.boarding = deque([endpoint_says(409, {"reason": "not_open", "state": "running"})])
    ended = pod(TRADEWIND_BOARD_BUDGET="60")
    assert ended.ended() == 0
    assert ended.farewell.ended == "superseded"
    assert ended.farewell.reason == "the launch is not open any more: not_open, running"


def test_a_pod_without_an_endpoint_ends_with_its_budget(airflow, pod):
    airflow.boarding = deque([Said(body=b"<html>", content_type="text/html")])
    ended = pod(TRADEWIND_BOARD_BUDGET="1")
    assert ended.ended() == contract.EXIT_NOT_STARTED
    assert ended.farewell.reason.startswith("no workload within 1 s: http://localhost")
    assert "install the same airflow-tradewind" in ended.farewell.reason


def test_a_pod_that_is_told_no_address_says_so(pod):
    ended = pod(TRADEWIND_BOARD_URL="")
    assert ended.ended() == contract.EXIT_NOT_STARTED
    assert "TRADEWIND_BOARD_URL is ''" in ended.farewell.reason


def test_a_module_that_cannot_be_loaded_beforehand_is_told_and_costs_no_task(
    airflow, pod, a_task, dag_file
):
    airflow.boarding = deque([endpoint_says(200, a_task(dag_file()))])
    ended = pod(TRADEWIND_PRELOAD="json, not_a_module")
    assert ended.ended() == 0
    assert any("cannot load module not_a_module" in line["event"] for line in ended.lines)
