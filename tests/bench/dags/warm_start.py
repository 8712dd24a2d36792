"""Tasks that tell when their own first line ran: one after the other, and fifty at once."""

import time

from airflow.sdk import chain, dag, task

IN_A_ROW = 8
AT_ONCE = 50


@task
def first_line():
    return time.time()


@dag(schedule=None)
def warm_row():
    chain(*(first_line.override(task_id=f"first_line_{number}")() for number in range(IN_A_ROW)))


@dag(schedule=None)
def burst():
    @task
    def first_line_of(_):
        return time.time()

    first_line_of.expand(_=list(range(AT_ONCE)))


warm_row()
burst()
