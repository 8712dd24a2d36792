"""Make or read rows of an Airflow whose database is another process's; writes JSON.

`python rows_of_another.py make` stores a queued task and tells of it; `state ID` tells its state.
"""

import json
import sys
import uuid

from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from scheduler_side import a_row


def make():
    ti = a_row()
    return {"id": str(ti.id), "launch_id": ti.external_executor_id, "dag_id": ti.dag_id}


def state(row_id):
    with create_session() as session:
        return session.get(TaskInstance, uuid.UUID(row_id)).state


if __name__ == "__main__":
    word, *more = sys.argv[1:]
    sys.stdout.write(json.dumps({"make": make, "state": state}[word](*more)) + "\n")
