"""Short words for pods in the tier's own tests."""

from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s


def a_pod(*, metadata=None, container=None, **spec):
    """Return a pod with one container, named base unless `container` says otherwise."""
    base = {"name": "base", **(container or {})}
    return k8s.V1Pod(
        metadata=k8s.V1ObjectMeta(**(metadata or {})),
        spec=k8s.V1PodSpec(containers=[k8s.V1Container(**base)], **spec),
    )


def rendered(template, override):
    """Return the manifest that the executor under test makes of template and override."""
    template.spec.containers[0].image = "worker:1"
    pod = PodGenerator.construct_pod(
        dag_id="dag",
        task_id="task",
        run_id="run",
        pod_id="dag-task-1",
        try_number=1,
        kube_image="",
        date=None,
        args=["run"],
        pod_override_object=override,
        base_worker_pod=template,
        namespace="default",
        scheduler_job_id="7",
    )
    return ApiClient().sanitize_for_serialization(pod)


def of_container(key):
    """Return a look at one field of the base container."""
    return lambda pod: pod["spec"]["containers"][0][key]


def of_spec(key):
    """Return a look at one field of the pod's spec."""
    return lambda pod: pod["spec"][key]
