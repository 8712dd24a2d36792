"""The janitor of the chart, with the login that the chart makes, against Airflow's own API."""

from pathlib import Path

import pytest
from dag_runs import await_dags, await_ends, until
from second_release import ours

from tradewind_tools import kubectl

DAG_FILE = Path(__file__).parent / "dags" / "janitor.py"
DAGS = ["janitor_short", "janitor_long", "janitor_stopped"]
WITHIN_S = 300
NAMESPACE_WITHIN_S = 60
"""A grace period, and the turns of Kubernetes' namespace controller."""
TAKES_LONG = ("apiServer", "scheduler", "dagProcessor", "postgresql")
"""Components whose pods get more time to end than those of tasks. A deleted namespace is looked at
again only after half of the longest period in it, however early its pods end."""
GRACE_S = 5

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def airflow(target):
    names = ("AGE_FLOOR_S", "ENDED_GRACE_S", "PENDING_GRACE_S", "RUNNING_GRACE_S")
    more = {
        "janitor": {
            "airflowLogin": {"create": True},
            "sweepIntervalSeconds": 5,
            "env": {f"TRADEWIND_JANITOR_{name}": GRACE_S for name in names},
        },
        **{name: {"terminationGracePeriodSeconds": 30} for name in TAKES_LONG},
        # Ended pods are nobody's keepsake here.
        "airflow": {"config": {"tradewind": {"delete_worker_pods_on_failure": "True"}}},
    }
    with ours(target, dags=[DAG_FILE], more=more) as connected:
        await_dags(connected, DAGS)
        yield connected


def pods_of(target, airflow, dag_id=""):
    selector = f"dag_id={dag_id}" if dag_id else "dag_id"
    return kubectl.items(target, "pods", "-n", airflow.namespace, "-l", selector)


def running(target, airflow, dag_id):
    """Return the pod of a DAG's only task once its code runs."""

    def said():
        for pod in pods_of(target, airflow, dag_id):
            name = pod["metadata"]["name"]
            if pod["status"].get("phase") == "Running" and "I am" in logs(target, airflow, name):
                return pod
        return None

    return until(said, what=f"no task of {dag_id} runs", timeout_s=WITHIN_S)


def logs(target, airflow, name):
    return kubectl.run(target, "-n", airflow.namespace, "logs", name)


def scale(target, airflow, deployment, replicas):
    words = ["scale", f"deployment/{deployment}", f"--replicas={replicas}"]
    kubectl.run(target, "-n", airflow.namespace, *words)


def selected(deployment):
    return f"app.kubernetes.io/component={deployment.removeprefix('tradewind-')}"


def gone(target, airflow, deployment):
    selector = selected(deployment)
    return not kubectl.items(target, "pods", "-n", airflow.namespace, "-l", selector)


def kill(target, airflow, deployment):
    """Leave its pod no time for a farewell, and nobody who starts another."""
    words = ["-n", airflow.namespace, "delete", "-l", selected(deployment)]
    for kind in ("deployments", "replicasets"):
        kubectl.run(target, *words, kind, "--cascade=orphan")
    kubectl.run(target, *words, "pods", "--force", "--grace-period=0")


def events(target, airflow, reason):
    found = kubectl.items(
        target, "events", "-n", airflow.namespace, "--field-selector", f"reason={reason}"
    )
    return {event["involvedObject"]["name"]: event["message"] for event in found}


def test_orphans_go_and_what_runs_or_waits_stays(target, airflow):
    runs = {dag_id: airflow.trigger(dag_id, conf={}) for dag_id in DAGS}
    pods = {dag_id: running(target, airflow, dag_id) for dag_id in DAGS}
    names = {dag_id: pod["metadata"]["name"] for dag_id, pod in pods.items()}
    # From here on nobody but the janitor deletes a pod.
    scale(target, airflow, "tradewind-scheduler", 0)
    until(
        lambda: gone(target, airflow, "tradewind-scheduler"),
        what="the scheduler is still there",
        timeout_s=WITHIN_S,
    )
    stopped = f"dags/janitor_stopped/dagRuns/{runs['janitor_stopped']}"
    airflow._decoded("PATCH", stopped, json={"state": "failed"})
    until(
        lambda: (
            {pod["metadata"]["name"] for pod in pods_of(target, airflow)} == {names["janitor_long"]}
        ),
        what="the orphans are still there",
        timeout_s=WITHIN_S,
    )
    said = events(target, airflow, "OrphanDeleted")
    assert set(said) == {names["janitor_short"], names["janitor_stopped"]}
    scale(target, airflow, "tradewind-scheduler", 1)
    ended = await_ends(airflow, {"janitor_long": runs["janitor_long"]}, timeout_s=WITHIN_S * 2)
    assert ended == {"janitor_long": "success"}
    (task,) = airflow.task_instances("janitor_long", runs["janitor_long"])
    assert task["try_number"] == 1
    assert names["janitor_long"] not in events(target, airflow, "OrphanDeleted")


def test_a_namespace_goes_although_its_janitor_was_killed_first(target, airflow):
    airflow.trigger("janitor_stopped", conf={})
    running(target, airflow, "janitor_stopped")
    kill(target, airflow, "tradewind-janitor")
    assert gone(target, airflow, "tradewind-janitor")
    held = [pod for pod in pods_of(target, airflow) if pod["metadata"].get("finalizers")]
    assert held == []
    kubectl.run(target, "delete", "namespace", airflow.namespace, "--wait=false")
    only = ("--field-selector", f"metadata.name={airflow.namespace}")
    until(
        lambda: not kubectl.items(target, "namespaces", *only),
        what="the namespace is still there",
        timeout_s=NAMESPACE_WITHIN_S,
    )
