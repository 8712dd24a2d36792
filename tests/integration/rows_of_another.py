"""Make or read rows of an Airflow whose database is another process's; writes JSON.

`python rows_of_another.py make` stores a queued task and tells of it; `state ID` tells its state;
`show NAME PASSWORD` stores two tasks, tells of them, and creates a user who may read them.
"""

import json
import sys
import uuid

from airflow.models.taskinstance import TaskInstance
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.session import create_session
from scheduler_side import a_row


def make():
    ti = a_row()
    return {"id": str(ti.id), "launch_id": ti.external_executor_id, "dag_id": ti.dag_id}


def state(row_id):
    with create_session() as session:
        return session.get(TaskInstance, uuid.UUID(row_id)).state


def show(name, password):
    with get_application_builder() as builder:
        role = builder.sm.find_role("Viewer")
        assert builder.sm.add_user(name, name, "-", f"{name}@localhost", role, password)
    return [make(), make()]


if __name__ == "__main__":
    word, *more = sys.argv[1:]
    sys.stdout.write(json.dumps({"make": make, "state": state, "show": show}[word](*more)) + "\n")
