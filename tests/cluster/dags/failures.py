"""One DAG per way in which a task's pod can fail; the test provokes what the DAG itself cannot."""

import logging
import time

from airflow.sdk import dag, task
from kubernetes.client import models as k8s

log = logging.getLogger(__name__)


def base(**container):
    """Return an executor_config that overrides fields of the base container."""
    return pod(containers=[k8s.V1Container(name="base", **container)])


def pod(**spec):
    spec.setdefault("containers", [k8s.V1Container(name="base")])
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(**spec))}


def memory(limit):
    return k8s.V1ResourceRequirements(requests={"memory": "64Mi"}, limits={"memory": limit})


def ask_for(cpu):
    return k8s.V1ResourceRequirements(requests={"cpu": cpu})


def secret_volume():
    secret = k8s.V1SecretVolumeSource(secret_name="nobody-made-it")
    return {
        "volumes": [k8s.V1Volume(name="secret", secret=secret)],
        "containers": [
            k8s.V1Container(
                name="base",
                volume_mounts=[k8s.V1VolumeMount(name="secret", mount_path="/secret")],
            )
        ],
    }


def secret_variable():
    source = k8s.V1EnvVarSource(
        secret_key_ref=k8s.V1SecretKeySelector(name="nobody-made-it", key="password")
    )
    return {"env": [k8s.V1EnvVar(name="PASSWORD", value_from=source)]}


CONFIGS = {
    "oom_killed": base(resources=memory("320Mi")),
    "image_pull": base(image="127.0.0.1:5005/tradewind/airflow:no-such-tag"),
    "image_name": base(image="Not A Valid Image Name"),
    "config_error": base(**secret_variable()),
    "mount_failed": pod(**secret_volume()),
    "unschedulable": pod(node_selector={"disktype": "nobody-has-it"}),
    "quota": base(resources=ask_for("1100m")),
    "evicted": {},
    "deleted": {},
    "exit_code": base(command=["sh", "-c", "echo nothing works today; exit 3"]),
}


def eat():
    """Allocate memory until somebody minds."""
    log.warning("I eat memory")
    eaten = []
    while True:
        eaten.append(bytearray(16 * 1024 * 1024))
        time.sleep(0.05)


def wait():
    """Run until the test has done what it wants to do with the pod."""
    log.warning("I wait to be evicted")
    time.sleep(600)


WORK = {"oom_killed": eat, "evicted": wait, "deleted": wait}


def fails(kind, config):
    @dag(dag_id=f"fails_{kind}", schedule=None, default_args={"retries": 0})
    def fails():
        @task(task_id="work", executor_config=config)
        def work():
            """Do what the kind of failure needs."""
            WORK.get(kind, time.time)()

        work()

    return fails()


for kind, config in CONFIGS.items():
    fails(kind, config)
