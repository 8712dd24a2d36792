"""Whose pod is it? The database's answer, for pods that no launch of this process has."""

import uuid

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.utils import timezone
from airflow.utils.session import create_session
from sqlalchemy import insert, text

from tradewind import _compat
from tradewind.dispatch.hooks import Stray
from tradewind.dispatch.settle import TaskFacts
from tradewind.testing.builders import a_task


@pytest.fixture(scope="session", autouse=True)
def database():
    from airflow.utils import db  # noqa: PLC0415 - reads the configuration when imported

    db.initdb()


def insert_row(model, task, *, state, external, **more):
    """Insert a row without the DAG, run and version around it."""
    values = {
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "run_id": task.run_id,
        "map_index": task.map_index,
        "try_number": task.try_number,
        "state": state,
        "external_executor_id": external and str(external),
        "max_tries": 0,
        "pool": "default_pool",
        "pool_slots": 1,
        "updated_at": timezone.utcnow(),
    } | more
    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        session.execute(insert(model.__table__).values(**values))


def insert_ti(task, *, state, external, row_id=None):
    key = row_id or uuid.uuid4()
    insert_row(TaskInstance, task, state=state, external=external, id=key, span_status="ended")


def ask(task, launch_id):
    stray = Stray(launch_id=launch_id, task=task)
    return _compat.read_strays([stray]).get(launch_id)


@pytest.fixture
def task():
    return a_task(dag_id=f"dag_{uuid.uuid4().hex[:8]}")


def test_the_row_that_owns_the_launch_tells_its_state(task):
    launch_id = uuid.uuid4()
    insert_ti(task, state="success", external=launch_id)
    assert ask(task, launch_id) == TaskFacts(state="success", launch_id=launch_id)


def test_a_row_that_was_launched_under_its_primary_key_is_found_by_it(task):
    row_id = uuid.uuid4()
    insert_ti(task, state="running", external=None, row_id=row_id)
    assert ask(task, row_id) == TaskFacts(state="running", launch_id=row_id)


def test_a_try_that_was_launched_again_is_found_by_the_pods_annotations(task):
    now = uuid.uuid4()
    insert_ti(task, state="running", external=now)
    assert ask(task, uuid.uuid4()) == TaskFacts(state="running", launch_id=now)


def test_a_row_that_no_launch_owns_proves_nothing(task):
    insert_ti(task, state="running", external=None)
    assert ask(task, uuid.uuid4()) is None


def test_a_pod_of_another_deployment_is_unknown(task):
    assert ask(task, uuid.uuid4()) is None
    assert ask(None, uuid.uuid4()) is None


def test_many_are_read_at_once(task):
    launches = [uuid.uuid4() for _ in range(500)]
    insert_ti(task, state="success", external=launches[7])
    strays = [Stray(launch_id=one, task=a_task(dag_id=f"d{n}")) for n, one in enumerate(launches)]
    strays[7] = Stray(launch_id=launches[7], task=task)
    assert list(_compat.read_strays(strays)) == [launches[7]]
