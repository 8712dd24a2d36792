"""Pods as upstream's commands and functions see them; run on upstream's pods and on ours."""

from datetime import UTC, datetime
from unittest import mock

import pytest
from airflow.cli import cli_parser
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.cncf.kubernetes import kubernetes_helper_functions, pod_generator
from airflow.providers.cncf.kubernetes.cli import kubernetes_command
from kubernetes.client import models as k8s

TASK = {"dag_id": "sales report", "task_id": "load.eu", "run_id": "manual__2026-11-24T03:00:00"}


@pytest.fixture
def pod():
    """Return the pod of one try, as the executor under test creates it."""
    template = k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(),
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", image="worker:1")]),
    )
    return pod_generator.PodGenerator.construct_pod(
        **TASK,
        map_index=4,
        pod_id="sales-report-load-eu",
        try_number=2,
        kube_image="",
        date=None,
        args=["run"],
        pod_override_object=None,
        base_worker_pod=template,
        namespace="tasks",
        scheduler_job_id="7",
    )


def test_annotations_give_the_exact_key_of_the_try(pod):
    key = kubernetes_helper_functions.annotations_to_key(pod.metadata.annotations)
    assert key == TaskInstanceKey(**TASK, try_number=2, map_index=4)


def test_selector_of_live_logs_finds_the_pod(pod):
    selector = pod_generator.PodGenerator.build_selector_for_k8s_executor_pod(
        **TASK, try_number=2, map_index=4, airflow_worker="7"
    )
    assert (
        dict(part.split("=") for part in selector.split(",")).items() <= pod.metadata.labels.items()
    )


def test_cleanup_pods_finds_the_pod_and_deletes_it_when_it_has_ended(pod, monkeypatch):
    pod.metadata.creation_timestamp = datetime(2026, 1, 1, tzinfo=UTC)
    pod.spec.restart_policy = "Never"
    pod.status = k8s.V1PodStatus(phase="Succeeded")
    cluster = mock.Mock()
    cluster.list_namespaced_pod.return_value = k8s.V1PodList(items=[pod], metadata=k8s.V1ListMeta())
    monkeypatch.setattr(kubernetes_command, "get_kube_client", lambda: cluster)
    words = ["kubernetes", "cleanup-pods", "--namespace", "tasks"]
    kubernetes_command.cleanup_pods(cli_parser.get_parser().parse_args(words))
    selected = cluster.list_namespaced_pod.call_args.kwargs["label_selector"].split(",")
    assert set(selected) <= set(pod.metadata.labels)
    assert cluster.delete_namespaced_pod.call_args.kwargs["name"] == pod.metadata.name
