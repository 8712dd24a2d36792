"""Tasks that say where they run, two of them at the same time."""

import logging
import platform
import time

from airflow.sdk import dag, task


@dag(schedule=None, default_args={"retries": 0})
def own_pods():
    @task
    def say_where(seconds):
        logging.getLogger(__name__).info("running in %s", platform.node())
        time.sleep(seconds)
        return platform.node()

    @task
    def count_pods(names):
        return len(set(names))

    count_pods(say_where.expand(seconds=[1, 15]))


own_pods()
