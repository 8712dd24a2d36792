"""Every way in which a task's pod fails, provoked for real, and its sentence in Airflow's API."""

import time
from pathlib import Path

import pytest
from dag_runs import await_dags, await_ends, until
from evictions import evict
from second_release import ours

from tradewind_tools import kubectl

DAG_FILE = Path(__file__).parent / "dags" / "failures.py"
WITHIN_S = 300
LIMITS = "image=20, config=20, volume=40, unschedulable=20"
OPTIONS = {
    "pending_limits": LIMITS,
    "relaunch_limit": 0,
    # What the test reads must not depend on pods that are kept.
    "delete_worker_pods_on_failure": "True",
}
VALUES = {
    "airflow": {"config": {"tradewind": OPTIONS}},
    "executor": {"podTemplate": {"terminationGracePeriodSeconds": 5}},
}
SAID = {
    "oom_killed": ["OOMKilled", "320Mi"],
    "image_pull": ["no-such-tag", "not found"],
    "image_name": ["InvalidImageName"],
    "config_error": ['secret "nobody-made-it" not found'],
    "mount_failed": ['secret "nobody-made-it" not found'],
    "unschedulable": ["node affinity/selector"],
    "evicted": ["evict"],
    "deleted": ["deleted"],
    "exit_code": ["exit code 3"],
}
"""Kind -> what its sentence holds. Each kind is a DAG of its own."""
WROTE = {
    "oom_killed": "I eat memory",
    "exit_code": "nothing works today",
    "evicted": "I wait to be evicted",
}
"""Kind -> what the pod's log held before the pod was gone."""
PARKED = "quota"


@pytest.fixture(scope="module")
def airflow(target):
    with ours(target, dags=[DAG_FILE], more=VALUES) as connected:
        await_dags(connected, [f"fails_{kind}" for kind in [*SAID, PARKED]])
        yield connected


@pytest.fixture(scope="module")
def runs(target, airflow):
    """Run every DAG but the parked one; return kind -> run id, once all have ended."""
    found = {kind: airflow.trigger(f"fails_{kind}", conf={}) for kind in SAID}
    evict(target, airflow, talking_pod(target, airflow, "fails_evicted", WROTE["evicted"]))
    delete(target, airflow, running_pod(target, airflow, "fails_deleted"))
    runs_by_dag = {f"fails_{kind}": run_id for kind, run_id in found.items()}
    await_ends(airflow, runs_by_dag, timeout_s=WITHIN_S)
    return found


def running_pod(target, airflow, dag_id):
    def running():
        pods = kubectl.items(target, "pods", "-n", airflow.namespace, "-l", f"dag_id={dag_id}")
        return [pod for pod in pods if pod["status"].get("phase") == "Running"]

    found = until(running, what=f"no pod of {dag_id} runs", timeout_s=WITHIN_S)
    return found[0]["metadata"]["name"]


def talking_pod(target, airflow, dag_id, said):
    """Return the pod once it has said so: it runs before its task's code does."""
    name = running_pod(target, airflow, dag_id)
    until(
        lambda: said in kubectl.run(target, "-n", airflow.namespace, "logs", name),
        what=f"{name} does not say {said!r}",
        timeout_s=WITHIN_S,
    )
    return name


def delete(target, airflow, name):
    flags = ("--grace-period=0", "--force", "--wait=false")
    kubectl.run(target, "-n", airflow.namespace, "delete", "pod", name, *flags)


def sentences(airflow, dag_id):
    """Return what the audit log of the DAG's task says of its pods."""
    rows = airflow.get("eventLogs", dag_id=dag_id, task_id="work", limit=100)["event_logs"]
    return [f"{row['event']}: {row['extra']}" for row in rows if row["event"].startswith("pod ")]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", SAID)
def test_the_cause_is_in_the_audit_log(airflow, runs, kind):
    assert airflow.run_state(f"fails_{kind}", runs[kind]) == "failed"
    said = sentences(airflow, f"fails_{kind}")
    assert any(all(part in sentence for part in SAID[kind]) for sentence in said), said


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", SAID)
def test_the_cause_and_the_last_lines_are_in_the_log_view(airflow, runs, kind):
    lines = airflow.log(f"fails_{kind}", runs[kind], "work", map_index=-1, try_number=1)
    text = "\n".join(lines)
    assert all(part in text for part in SAID[kind]), text
    assert WROTE.get(kind, "") in text
    assert "eyJ" not in text


@pytest.mark.timeout(1200)
def test_a_launch_without_quota_waits_and_says_so_and_goes_on_when_there_is_room(target, airflow):
    quota = ("quota", "few", "--hard=requests.cpu=1")
    kubectl.run(target, "-n", airflow.namespace, "create", *quota)
    run_id = airflow.trigger("fails_quota", conf={})
    deadline = time.monotonic() + WITHIN_S
    while not any("exceeded quota" in sentence for sentence in sentences(airflow, "fails_quota")):
        assert time.monotonic() < deadline, sentences(airflow, "fails_quota")
        time.sleep(1)
    assert airflow.run_state("fails_quota", run_id) == "running"
    kubectl.run(target, "-n", airflow.namespace, "delete", "quota", "few")
    left_s = deadline - time.monotonic()
    ended = await_ends(airflow, {"fails_quota": run_id}, timeout_s=left_s)
    assert ended == {"fails_quota": "success"}


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("runs")
def test_no_failed_pod_of_a_task_that_never_began_is_left_pending(target, airflow):
    pods = kubectl.items(target, "pods", "-n", airflow.namespace, "-l", "tradewind/launch-id")
    assert [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Pending"] == []
