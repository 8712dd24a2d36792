"""One task that tells when its own first line ran."""

import time

from airflow.sdk import dag, task


@dag(schedule=None)
def launch_latency():
    @task
    def first_line():
        return time.time()

    first_line()


launch_latency()
