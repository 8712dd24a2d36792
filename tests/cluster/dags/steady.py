"""Tasks that are at work, and ask Airflow's API, while everything around them is replaced."""

import time

from airflow.sdk import Variable, dag, get_current_context, task


@dag(schedule=None, default_args={"retries": 0}, max_active_tasks=64, params={"tasks": 20})
def steady():
    @task
    def numbers():
        return list(range(get_current_context()["params"]["tasks"]))

    @task
    def work(number):
        while Variable.get("may_end", default="") != "yes":
            time.sleep(10)
        return number

    work.expand(number=numbers())


steady()
