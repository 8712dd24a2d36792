"""Tasks that write many lines, run long, or are killed for memory in the middle of their log."""

import time

from airflow.sdk import dag, task
from kubernetes.client import models as k8s

LINES = 7000
SMALL = k8s.V1ResourceRequirements(requests={"memory": "64Mi"}, limits={"memory": "320Mi"})
SMALL_POD = k8s.V1Pod(
    spec=k8s.V1PodSpec(containers=[k8s.V1Container(name="base", resources=SMALL)])
)


@dag(schedule=None)
def logs_killed():
    @task(executor_config={"pod_override": SMALL_POD})
    def work():
        for n in range(LINES):
            print(f"line {n} of a task that eats memory")
        time.sleep(3)
        print("I eat memory")
        eaten = []
        while True:
            eaten.append(b"x" * 10_000_000)

    work()


@dag(schedule=None)
def logs_running():
    @task
    def work(part):
        for n in range(LINES):
            print(f"line {n} of part {part}")
        time.sleep(90)

    work.expand(part=[0, 1])


logs_killed()
logs_running()
