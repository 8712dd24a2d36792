"""More tasks than one scheduler launches before it is killed."""

import time

from airflow.sdk import dag, task


@dag(schedule=None, default_args={"retries": 0}, max_active_tasks=64)
def many():
    @task
    def work(number):
        time.sleep(2)
        return number

    work.expand(number=list(range(40)))


many()
