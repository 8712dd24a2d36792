"""What a scheduler asks of an executor beside plain tasks, and what pods get that need a limit."""

import logging
import signal
import time
from datetime import timedelta

from airflow.sdk import (
    DeadlineAlert,
    DeadlineReference,
    SyncCallback,
    dag,
    get_current_context,
    task,
)
from kubernetes.client import models as k8s

log = logging.getLogger(__name__)
MIB = 1024 * 1024


def memory(limit):
    resources = k8s.V1ResourceRequirements(requests={"memory": "64Mi"}, limits={"memory": limit})
    container = k8s.V1Container(name="base", resources=resources)
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container]))}


@dag(schedule=None, default_args={"retries": 1, "retry_delay": timedelta(seconds=1)})
def grows():
    @task(executor_config=memory("320Mi"))
    def work():
        """Need more than the limit allows, and less than twice as much."""
        kept = bytearray(300 * MIB)
        kept[::4096] = b"x" * len(kept[::4096])
        return get_current_context()["ti"].try_number

    work()


@dag(schedule=None, default_args={"retries": 0})
def hangs():
    @task(execution_timeout=timedelta(seconds=5))
    def work():
        """Outlive the task's own timeout, as code does that never returns to Python."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        log.warning("I do not stop")
        time.sleep(600)

    work()


def tell_late(text, **context):
    """Say what was missed, in whatever runs this."""
    log.warning("late: %s", text)


@dag(
    schedule=None,
    default_args={"retries": 0},
    deadline=DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(seconds=1),
        callback=SyncCallback(tell_late, {"text": "more than a second"}),
    ),
)
def is_late():
    @task
    def work():
        time.sleep(15)

    work()


grows()
hangs()
is_late()
