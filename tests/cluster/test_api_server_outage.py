"""Two minutes without Airflow's API server, while tasks are queued and their pods wait to board.

Two of the six find an idle pod. No pod may be replaced here: each has to wait it out by itself.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from dag_runs import await_dags, await_ends, until
from second_release import ours

from tradewind_tools import airflow_api, kubectl
from tradewind_tools.pod_record import POOL, TASK_PODS, PodRecorder

DAG_FILE = Path(__file__).parent / "dags" / "outage.py"
DAG = DAG_FILE.stem
TASKS, WARM = 6, 2
OUTAGE = timedelta(minutes=2)
WITHIN_S = 240
VALUES = {
    "executor": {"warmPools": {"default": WARM}},
    "airflow": {
        "config": {
            "core": {"dags_are_paused_at_creation": False, "parallelism": TASKS},
            "tradewind": {"relaunch_limit": "0"},
        }
    },
}
API_SERVER = f"deployment/{airflow_api.API_SERVICE}"
API_SERVER_PODS = "app.kubernetes.io/component=api-server"
pytestmark = pytest.mark.timeout(1200)


class Namespace:
    """The release's namespace, asked by kubectl."""

    def __init__(self, target, name):
        self._target = target
        self._name = name

    def kubectl(self, *words):
        return kubectl.run(self._target, "-n", self._name, *words)

    def pods(self, selector, *, phase=None):
        found = kubectl.items(self._target, "pods", "-n", self._name, "-l", selector)
        return [pod for pod in found if phase in (None, pod["status"].get("phase"))]

    def await_pods(self, count, selector, *, phase=None):
        def there():
            return len(self.pods(selector, phase=phase)) == count

        until(there, what=f"not {count} pods of {selector}", timeout_s=WITHIN_S)

    def take_api_server_down(self):
        self.kubectl("scale", API_SERVER, "--replicas=0")
        # Told to end in peace, it would still answer those who wait for an answer.
        flags = ("--grace-period=0", "--force", "--wait=false")
        self.kubectl("delete", "pods", "-l", API_SERVER_PODS, *flags)
        self.await_pods(0, API_SERVER_PODS)

    def bring_api_server_back(self):
        self.kubectl("scale", API_SERVER, "--replicas=1")
        until(self._answers, what="the API server is not back", timeout_s=WITHIN_S)

    def _answers(self):
        # Not `rollout status`: one call of kubectl may take a minute, a busy node needs longer.
        ready = self.kubectl("get", API_SERVER, "--output=jsonpath={.status.readyReplicas}")
        return ready == "1"


@pytest.fixture(scope="module")
def waited(target):
    """Run the DAG through an outage; return what was seen in it, and what became of the run."""
    with ours(target, dags=[DAG_FILE], more=VALUES) as airflow:
        await_dags(airflow, [DAG])
        namespace = Namespace(target, airflow.namespace)
        namespace.await_pods(WARM, POOL, phase="Running")
        with PodRecorder(target, namespace=airflow.namespace) as recorder:
            namespace.take_api_server_down()
            back_at = datetime.now(UTC) + OUTAGE
            run_id = airflow_api.new_run_id()
            trigger = ("airflow", "dags", "trigger", DAG, "--run-id", run_id)
            namespace.kubectl("exec", "deployment/tradewind-scheduler", "--", *trigger)
            namespace.await_pods(TASKS, TASK_PODS, phase="Running")
            time.sleep(max(0, (back_at - datetime.now(UTC)).total_seconds()))
            in_outage = namespace.pods(TASK_PODS)
            namespace.bring_api_server_back()
            state = await_ends(airflow, {DAG: run_id}, timeout_s=WITHIN_S)[DAG]
            recorder.catch_up()
        yield SimpleNamespace(
            back_at=back_at,
            in_outage=in_outage,
            state=state,
            instances=airflow.task_instances(DAG, run_id),
            launches=recorder.by_launch(run_ids=[run_id]),
        )


def test_pods_wait_for_an_answer_warm_and_cold(waited):
    assert [pod["status"]["phase"] for pod in waited.in_outage] == ["Running"] * TASKS
    assert len([pod for pod in waited.in_outage if POOL in pod["metadata"]["labels"]]) == WARM


def test_every_task_runs_afterwards_at_its_first_try(waited):
    assert waited.state == "success"
    found = [(item["state"], item["try_number"]) for item in waited.instances]
    assert found == [("success", 1)] * TASKS
    for item in waited.instances:
        assert datetime.fromisoformat(item["queued_when"]) < waited.back_at
        assert datetime.fromisoformat(item["start_date"]) > waited.back_at


def test_no_pod_was_replaced(waited):
    assert {launch: len(pods) for launch, pods in waited.launches.items()} == {
        pod["metadata"]["labels"][TASK_PODS]: 1 for pod in waited.in_outage
    }
