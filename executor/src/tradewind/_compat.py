"""Airflow seam: everything of Airflow's database and settings that the executor touches.

Airflow changes these every minor release; keeping them in one file keeps `executor.py` readable.
Written against 3.3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from airflow import __version__ as airflow_version
from airflow import settings
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.session import create_session
from sqlalchemy import select, tuple_

from tradewind.dispatch.hooks import Stray
from tradewind.dispatch.settle import TaskFacts

__all__ = ["AIRFLOW_VERSION", "launch_id_of", "mutation_hook", "read_facts", "read_strays"]

AIRFLOW_VERSION: str = airflow_version


def read_facts(row_ids: Sequence[UUID]) -> dict[UUID, TaskFacts]:
    """Return state and owner of task instances by primary key. Blocking; any thread.

    Uses a session of its own: the scheduler's scoped one would commit the scheduler's transaction
    (apache/airflow#67813).
    """
    with create_session(scoped=False) as session:
        rows = session.execute(
            select(TaskInstance.id, TaskInstance.state, TaskInstance.external_executor_id).where(
                TaskInstance.id.in_(list(row_ids))
            )
        ).all()
    return {
        _uuid(row_id): TaskFacts(state=state, launch_id=launch_id_of(external))
        for row_id, state, external in rows
    }


def launch_id_of(external_executor_id: str | None) -> UUID | None:
    """Return the launch id in that column, or None for an id another executor wrote."""
    try:
        return UUID(external_executor_id or "")
    except ValueError:
        return None


def mutation_hook() -> Callable[[Any], None] | None:
    """Return the user's `pod_mutation_hook`, or None when there is only Airflow's empty one."""
    hook = settings.pod_mutation_hook
    return None if hook.__module__ == settings.__name__ else hook


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def read_strays(strays: Sequence[Stray]) -> dict[UUID, TaskFacts]:
    """Return what became of the task instances that had these launches, by launch id.

    Left out is a launch of which this database knows nothing: its pod may be another deployment's.
    Blocking; any thread.
    """
    with create_session(scoped=False) as session:
        facts = _current_launches(session, [stray.launch_id for stray in strays])
        facts |= _past_launches(session, [s.launch_id for s in strays if s.launch_id not in facts])
        return facts | _present_tries(session, [s for s in strays if s.launch_id not in facts])


def _current_launches(session: Any, launch_ids: Sequence[UUID]) -> dict[UUID, TaskFacts]:
    """Return the rows that these launches own."""
    column = TaskInstance.external_executor_id
    rows = session.execute(
        select(column, TaskInstance.state).where(column.in_([str(one) for one in launch_ids]))
    )
    return {UUID(owner): TaskFacts(state=state, launch_id=UUID(owner)) for owner, state in rows}


def _past_launches(session: Any, launch_ids: Sequence[UUID]) -> dict[UUID, TaskFacts]:
    """Return the launches of earlier tries: nobody waits for those."""
    column = TaskInstanceHistory.external_executor_id
    rows = session.execute(select(column).where(column.in_([str(one) for one in launch_ids])))
    return {UUID(owner): TaskFacts(state=None, launch_id=None) for (owner,) in rows}


def _present_tries(session: Any, strays: Sequence[Stray]) -> dict[UUID, TaskFacts]:
    """Return the rows of tries that were launched again since, for instance after a deferral.

    Such a pod's launch is written nowhere any more, so its annotations have to do; a row that is
    no launch's (an executor without launch ids queued it) proves nothing.
    """
    by_try = {
        (s.task.dag_id, s.task.task_id, s.task.run_id, s.task.map_index, s.task.try_number): s
        for s in strays
        if s.task is not None
    }
    names = ("dag_id", "task_id", "run_id", "map_index", "try_number")
    columns = [getattr(TaskInstance, name) for name in names]
    rows = session.execute(
        select(*columns, TaskInstance.state, TaskInstance.external_executor_id).where(
            tuple_(*columns).in_(list(by_try))
        )
    )
    return {
        by_try[tuple(key)].launch_id: TaskFacts(state=state, launch_id=owner)
        for *key, state, external in rows
        if (owner := launch_id_of(external)) is not None
    }
