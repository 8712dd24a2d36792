"""Tasks that say where they run, two of them at the same time, the second as long as wanted."""

import logging
import platform
import time

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, default_args={"retries": 0}, params={"last_for_s": 1})
def own_pods():
    @task
    def say_where(place):
        logging.getLogger(__name__).info("running in %s", platform.node())
        time.sleep(get_current_context()["params"]["last_for_s"] if place else 1)
        return platform.node()

    @task
    def count_pods(names):
        return len(set(names))

    count_pods(say_where.expand(place=[0, 1]))


own_pods()
