"""Two schedulers that are killed in turn while tasks run: nothing lost, doubled or failed."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from dag_runs import await_dags, await_ends
from second_release import ours

from tradewind_tools import kubectl
from tradewind_tools.pod_record import PodRecorder
from tradewind_tools.runs import FINAL_STATES

DAG_FILE = Path(__file__).parent / "dags" / "many.py"
DAG = "many"
KILL_EVERY_S = 20
KILLS = 6
RUN_TIMEOUT_S = 600
VALUES = {
    "scheduler": {"replicas": 2},
    "airflow": {
        "config": {
            "core": {"parallelism": 16},
            # A dead scheduler is noticed, and its tasks are adopted, within seconds.
            "scheduler": {
                "scheduler_health_check_threshold": 10,
                "scheduler_heartbeat_sec": 2,
                "orphaned_tasks_check_interval": 10,
            },
        }
    },
}


@pytest.fixture(scope="module")
def finished(target):
    """Run the DAG while schedulers die; return (run state, its tasks, pods, those left, kills)."""
    if not target.is_local:
        pytest.skip("SIGKILL needs the node's processes: this cluster's node is elsewhere")
    with (
        ours(target, dags=[DAG_FILE], more=VALUES) as airflow,
        PodRecorder(target, namespace=airflow.namespace) as recorder,
    ):
        await_dags(airflow, [DAG])
        run_id = airflow.trigger(DAG, conf={})
        kills = kill_in_turn(target, airflow, run_id)
        state = await_ends(airflow, {DAG: run_id}, timeout_s=RUN_TIMEOUT_S)[DAG]
        recorder.catch_up()
        # The kubelet restarts a scheduler that was killed three times after 40 s, it then has to
        # start, and looks for pods that a dead one left a minute later.
        left = recorder.wait_gone(run_ids=[run_id], timeout_s=300)
        pods = recorder.pods(run_ids=[run_id])
        yield state, airflow.task_instances(DAG, run_id), pods, left, kills


def kill_in_turn(target, airflow, run_id):
    """SIGKILL one scheduler, then the other, every few seconds; return the pods hit."""
    hit = []
    selector = "app.kubernetes.io/component=scheduler"
    while len(hit) < KILLS and airflow.run_state(DAG, run_id) not in FINAL_STATES:
        time.sleep(KILL_EVERY_S)
        pods = kubectl.items(target, "pods", "-n", airflow.namespace, "-l", selector)
        pod = sorted(pods, key=lambda item: item["metadata"]["name"])[len(hit) % 2]
        container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        for pid in processes_of(container):
            os.kill(pid, signal.SIGKILL)
        hit.append(pod["metadata"]["name"])
    return hit


def processes_of(container):
    """Return the process ids of a container of the local cluster, whose node is this machine."""
    found = []
    for cgroup in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            if container in cgroup.read_text():
                found.append(int(cgroup.parent.name))
        except OSError:
            continue  # It ended meanwhile.
    return found


@pytest.mark.timeout(1800)
def test_every_task_succeeds_at_its_first_try(finished):
    state, instances, _, _, kills = finished
    assert len(kills) >= 2, "the run ended before two schedulers were killed"
    assert state == "success"
    assert Counter(item["state"] for item in instances) == {"success": 40}
    assert {item["try_number"] for item in instances} == {1}


@pytest.mark.timeout(1800)
def test_no_launch_had_two_pods(finished):
    _, _, pods, _, _ = finished
    per_launch = Counter(pod.launch_id for pod in pods)
    assert len(per_launch) >= 40
    assert {launch: count for launch, count in per_launch.items() if count != 1} == {}


@pytest.mark.timeout(1800)
def test_no_pod_is_left(finished):
    _, _, _, left, _ = finished
    assert left == []
