"""Tasks that are queued while nobody answers at Airflow's API server."""

from airflow.sdk import dag, task


@dag(schedule=None, default_args={"retries": 0})
def outage():
    @task
    def work(number):
        return number

    work.expand(number=list(range(6)))


outage()
