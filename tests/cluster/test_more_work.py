"""Callbacks, connection tests, memory that grows after a kill, pods that hang, and what is counted.

Each on the real cluster, in pods that are kept, so that they can be looked at afterwards.
"""

import json
import re
from pathlib import Path

import httpx
import pytest
from dag_runs import await_dags, await_ends, until
from second_release import ours

from tradewind_tools import forward, images, kubectl

DAG_FILE = Path(__file__).parent / "dags" / "more_work.py"
MARGIN_S = 40
WITHIN_S = 240
VALUES = {
    "airflow": {
        "config": {
            "core": {"test_connection": "Enabled"},
            "tradewind": {
                "oom_memory_factor": "2",
                "oom_memory_cap": "1Gi",
                "running_limit_margin": str(MARGIN_S),
                "relaunch_limit": "0",
                "delete_worker_pods": "False",
            },
        }
    }
}
DAGS = ["grows", "hangs", "is_late"]
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def is_counted(target):
    """Whether the image of the StatsD exporter could be made."""
    return images.has(target, "metrics.image")


@pytest.fixture(scope="module")
def airflow(target, is_counted):
    values = VALUES | {"metrics": {"enabled": is_counted}}
    with ours(target, dags=[DAG_FILE], more=values) as connected:
        await_dags(connected, DAGS)
        yield connected


@pytest.fixture(scope="module")
def ended(airflow):
    """Run every DAG; return dag id -> (its run's id, its final state)."""
    runs = {dag_id: airflow.trigger(dag_id, conf={}) for dag_id in DAGS}
    states = await_ends(airflow, runs, timeout_s=WITHIN_S)
    return {dag_id: (runs[dag_id], states[dag_id]) for dag_id in DAGS}


def pods(target, airflow, selector):
    found = kubectl.items(target, "pods", "-n", airflow.namespace, "-l", selector)
    return sorted(found, key=lambda pod: pod["metadata"]["creationTimestamp"])


def ended_pod(target, airflow, selector):
    """Wait for the one pod that the selector finds, and for its end."""

    def ended():
        found = pods(target, airflow, selector)
        return found if found and found[0]["status"]["phase"] in ("Succeeded", "Failed") else None

    (pod,) = until(ended, what=f"no pod of {selector} has ended", timeout_s=WITHIN_S)
    return pod


ASK = """
import sys
from airflow.settings import engine
from sqlalchemy import text
with engine.connect() as connection:
    print("rows:", *connection.execute(text(sys.argv[1])).scalars())
"""


def query(target, airflow, sql):
    """Return what Airflow's own database says."""
    where = ("-n", airflow.namespace, "exec", "deployment/tradewind-scheduler", "--")
    said = kubectl.run(target, *where, "python", "-c", ASK, sql)
    (rows,) = [line for line in said.splitlines() if line.startswith("rows:")]
    return rows.split()[1:]


def test_memory_grows_after_a_kill_and_the_next_try_fits(target, airflow, ended):
    assert ended["grows"][1] == "success"
    limits = [
        pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
        for pod in pods(target, airflow, "dag_id=grows")
    ]
    assert limits == ["320Mi", "640Mi"]


def test_a_pod_that_outlives_its_tasks_timeout_is_ended_and_why_is_said(target, airflow, ended):
    run_id, state = ended["hangs"]
    assert state == "failed"
    (pod,) = pods(target, airflow, "dag_id=hangs")
    assert pod["spec"]["activeDeadlineSeconds"] == 5 + MARGIN_S
    assert pod["status"]["reason"] == "DeadlineExceeded"
    rows = airflow.get("eventLogs", dag_id="hangs", run_id=run_id, task_id="work", limit=100)
    said = [row["extra"] for row in rows["event_logs"] if row["event"].startswith("pod ")]
    assert any("activeDeadlineSeconds" in sentence for sentence in said), said


def test_a_missed_deadline_runs_its_callback_in_a_pod_of_its_own(target, airflow, ended):
    assert ended["is_late"][1] == "success"
    pod = ended_pod(target, airflow, "tradewind/workload=callback")
    name = pod["metadata"]["name"]
    log = kubectl.run(target, "-n", airflow.namespace, "logs", name)
    assert pod["status"]["phase"] == "Succeeded", log
    assert "late: more than a second" in log
    assert query(target, airflow, "select state from callback") == ["success"]


@pytest.mark.parametrize(
    ("path", "state"), [("/opt", "success"), ("/nowhere", "failed")], ids=["good", "bad"]
)
def test_a_connection_is_tested_in_a_pod_of_its_own(target, airflow, path, state):
    body = {
        "connection_id": f"files_{state}",
        "conn_type": "fs",
        "extra": json.dumps({"path": path}),
    }
    test = airflow.post("connections/enqueue-test", body)
    token = {"Airflow-Connection-Test-Token": test["token"]}

    def ended():
        said = airflow.get("connections/enqueue-test", headers=token)
        return said if said["state"] in ("success", "failed") else None

    found = until(ended, what="the test does not end", timeout_s=WITHIN_S)
    assert (found["state"], path in found["result_message"]) == (state, True), found
    assert pods(target, airflow, "tradewind/workload=connection-test")


def counted(metrics, name, labels=""):
    """Return the sum of a metric's series whose labels hold that text."""
    found = re.findall(rf"^{name}{{(.*)}} (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for told, value in found if labels in told)


def test_the_exporter_counts_what_the_runs_did(target, airflow, ended, is_counted):
    if not is_counted:
        pytest.skip("its program is not built: images/statsd-exporter/README.md says how")
    where = {"service": "tradewind-metrics", "port": 9102, "namespace": airflow.namespace}
    with forward.PortForward(target, **where) as port:

        def all_told():
            metrics = httpx.get(f"{port.url()}/metrics", trust_env=False).text
            is_told = counted(metrics, "tradewind_ends_total", 'cause="deadline"') == 1
            return metrics if is_told else None

        metrics = until(all_told, what="the exporter does not know of an end", timeout_s=WITHIN_S)
    assert counted(metrics, "tradewind_ends_total", 'cause="oom_killed"') == 1
    # Two tries of one task, two tasks, and more that later tests start.
    assert counted(metrics, "tradewind_launches_total") >= 4
    assert counted(metrics, "tradewind_loop_alive") == 1
    assert counted(metrics, "airflow_ti_finish", 'dag_id="grows"') >= 1
