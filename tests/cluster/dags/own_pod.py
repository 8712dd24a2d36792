"""A KubernetesPodOperator with resources of its own; its image is in the run's configuration."""

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import dag
from kubernetes.client import models as k8s

CONTAINER = k8s.V1SecurityContext(
    run_as_non_root=True,
    run_as_user=50000,
    allow_privilege_escalation=False,
    read_only_root_filesystem=True,
    capabilities=k8s.V1Capabilities(drop=["ALL"]),
    seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
)


@dag(schedule=None, default_args={"retries": 0}, params={"image": ""})
def own_pod():
    KubernetesPodOperator(
        task_id="say_it",
        name="said-by-the-operator",
        image="{{ params.image }}",
        cmds=["python", "-c"],
        arguments=["print('said in a pod of the operator')"],
        container_security_context=CONTAINER,
        automount_service_account_token=False,
        container_resources=k8s.V1ResourceRequirements(
            requests={"cpu": "20m", "memory": "48Mi"}, limits={"memory": "96Mi"}
        ),
        on_finish_action="keep_pod",
    )


own_pod()
