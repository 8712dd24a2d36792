"""A task whose pod no pool has, which tells when its own first line ran."""

import time

from airflow.sdk import dag, task
from kubernetes.client import models as k8s

OTHER_POD = k8s.V1Pod(metadata=k8s.V1ObjectMeta(annotations={"bench": "a pod of its own"}))


@dag(schedule=None)
def cold_start():
    @task(executor_config={"pod_override": OTHER_POD})
    def first_line():
        return time.time()

    first_line()


cold_start()
