"""The installed release as Kubernetes sees it."""

import pytest
from dag_runs import until
from pytest_helm_charts.k8s.deployment import wait_for_deployments_to_run
from pytest_helm_charts.k8s.stateful_set import wait_for_stateful_sets_to_run

from tradewind_tools import kubectl, release
from tradewind_tools.pod_record import POOL, TASK_PODS

COMPONENTS = ["api-server", "dag-processor", "scheduler", "triggerer"]


def test_every_component_runs(kube_cluster, target):
    names = [f"tradewind-{component}" for component in COMPONENTS]
    wait_for_deployments_to_run(kube_cluster.kube_client, names, target.namespace, 60)
    wait_for_stateful_sets_to_run(
        kube_cluster.kube_client, ["tradewind-postgresql"], target.namespace, 60
    )


@pytest.mark.timeout(300)
def test_pods_wait_for_tasks(target):
    def idle():
        pods = kubectl.items(target, "pods", "-n", target.namespace, "-l", f"{POOL},!{TASK_PODS}")
        return [pod for pod in pods if pod["status"].get("phase") == "Running"]

    until(idle, what="no idle pod runs", timeout_s=240)


def test_the_namespace_enforces_restricted_pods(target):
    found = release.find_namespace(target)
    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_has_a_read_only_root_and_an_image_by_digest(target):
    pods = kubectl.items(target, "pods", "-n", target.namespace)
    assert pods
    for pod in pods:
        spec = pod["spec"]
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"], pod["metadata"]["name"]
            assert "@sha256:" in container["image"], pod["metadata"]["name"]


def test_only_scheduler_api_server_and_janitor_have_a_token_for_the_cluster(target):
    """A task's pod has one too, but of another audience: the cluster's API server refuses it."""
    holders = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in kubectl.items(target, "pods", "-n", target.namespace)
        for volume in pod["spec"].get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source and "audience" not in source["serviceAccountToken"]
    }
    # `up` brings a janitor to a cluster of its own, and none to one that somebody named.
    assert holders - {"janitor"} == {"scheduler", "api-server"}
