"""Tasks that end by themselves, and tasks that only somebody else ends."""

import time

from airflow.sdk import dag, task


@dag(schedule=None)
def janitor_short():
    @task
    def work():
        print("I am short")
        time.sleep(20)

    work()


@dag(schedule=None)
def janitor_long():
    @task
    def work():
        print("I am long")
        time.sleep(240)

    work()


@dag(schedule=None)
def janitor_stopped():
    @task
    def work():
        print("I am stopped")
        time.sleep(3600)

    work()


janitor_short()
janitor_long()
janitor_stopped()
