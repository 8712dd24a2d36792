"""Upgrade, rollback and uninstall under twenty running tasks: nobody but Helm notices.

With PREVIOUS_CHART=FOLDER the release is first installed from that chart, such as an older one.
"""

import logging
import os
from collections import Counter
from pathlib import Path

import execution_probe
import pytest
from dag_runs import await_dags, await_ends, until
from second_release import changed, ours, run_helm

from tradewind_tools import airflow_api, kubectl, release

log = logging.getLogger(__name__)
DAG_FILE = Path(__file__).parent / "dags" / "steady.py"
DAG = "steady"
TASKS = 20
STARTED_WITHIN_S = 240
GONE_WITHIN_S = 180
PREVIOUS_CHART = Path(os.environ.get("PREVIOUS_CHART", release.CHART))
VALUES = {"airflow": {"config": {"core": {"parallelism": 32}}}}
UPGRADE = {"airflow": {"env": {"UPGRADED": "yes"}}}
KINDS = "deployments,statefulsets,jobs,cronjobs,services,configmaps,secrets,roles,rolebindings,"
KINDS += "serviceaccounts,networkpolicies,persistentvolumeclaims,poddisruptionbudgets,pods"
DATA = {
    "PersistentVolumeClaim/data-tradewind-postgresql-0",
    "Secret/tradewind-admin",
    "Secret/tradewind-postgresql",
    "Secret/tradewind-secrets",
}
OF_NAMESPACE = {"ConfigMap/kube-root-ca.crt", "ServiceAccount/default", "ConfigMap/more-dags"}


@pytest.fixture(scope="module")
def airflow(target):
    with ours(target, dags=[DAG_FILE], more=VALUES, chart=PREVIOUS_CHART) as connected:
        await_dags(connected, [DAG])
        yield connected


def pods_of(target, namespace, component):
    selector = f"app.kubernetes.io/component={component}"
    found = kubectl.items(target, "pods", "-n", namespace, "-l", selector)
    return {pod["metadata"]["uid"]: pod for pod in found}


def task_pods(target, namespace):
    """Return the uids of the pods that run tasks; idle ones of a warm pool are no tasks."""
    found = kubectl.items(target, "pods", "-n", namespace, "-l", f"dag_id={DAG}")
    return {pod["metadata"]["uid"] for pod in found}


def only(count, found):
    return found if len(found) == count else None


def tasks_of(airflow, run_id):
    """Return what is known of each task; a start anew would have another time and try."""
    return {
        item["map_index"]: (item["state"], item["try_number"], item["start_date"])
        for item in airflow.task_instances(DAG, run_id)
        if item["task_id"] == "work"
    }


def start_tasks(airflow):
    run_id = airflow.trigger(DAG, conf={"tasks": TASKS})

    def states():
        return Counter(state for state, _, _ in tasks_of(airflow, run_id).values())

    until(lambda: states() == {"running": TASKS}, what=states, timeout_s=STARTED_WITHIN_S)
    return run_id


def replace_components(target, airflow, how):
    """Let Helm work; every scheduler that was there is gone afterwards, another has its tasks."""
    before = set(pods_of(target, airflow.namespace, "scheduler"))

    def left():
        return before & set(pods_of(target, airflow.namespace, "scheduler"))

    how()
    until(lambda: not left(), what=left, timeout_s=GONE_WITHIN_S)


def left_behind(target, namespace):
    found = kubectl.items(target, KINDS, "-n", namespace)
    names = {f"{item['kind']}/{item['metadata']['name']}" for item in found}
    return names - OF_NAMESPACE


@pytest.mark.timeout(1400)
def test_tasks_survive_upgrade_and_rollback_and_only_data_survives_uninstall(target, airflow):
    namespace = airflow.namespace
    run_id = start_tasks(airflow)
    # The pod of the task that came before them goes.
    pods = until(lambda: only(TASKS, task_pods(target, namespace)), what="pods", timeout_s=60)
    tasks = tasks_of(airflow, run_id)
    (api_server,) = pods_of(target, namespace, "api-server").values()
    execution_probe.start(target, namespace=namespace, like=api_server)

    helm = {"helm": os.environ["HELM3"], "namespace": namespace}
    for how in (
        lambda: changed(target, more=UPGRADE, **helm),
        lambda: run_helm(target, "rollback", airflow_api.RELEASE, "1", **helm),
    ):
        replace_components(target, airflow, how)
        assert tasks_of(airflow, run_id) == tasks
        assert task_pods(target, namespace) == pods

    probed = execution_probe.end(target, namespace=namespace)
    log.info("probe: %s", probed)
    assert probed["asked"] > 200
    assert probed["failed"] == []

    airflow.post("variables", {"key": "may_end", "value": "yes"})
    assert await_ends(airflow, {DAG: run_id}) == {DAG: "success"}
    ended = tasks_of(airflow, run_id)
    assert ended == {index: ("success", *rest) for index, (_, *rest) in tasks.items()}

    # The executor deletes the pods of ended tasks; nobody would once it is gone.
    until(lambda: not task_pods(target, namespace), what="pods are left", timeout_s=GONE_WITHIN_S)
    run_helm(target, "uninstall", airflow_api.RELEASE, **helm)

    def left():
        return left_behind(target, namespace)

    # Helm does not wait for the pods: each component ends as gracefully as it may.
    until(lambda: left() == DATA, what=left, timeout_s=GONE_WITHIN_S)
