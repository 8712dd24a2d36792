"""Airflow seam: let the scheduler queue a task again that never began, at no try.

A reset, which is Airflow's own way, counts as a try. Written against 3.3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from airflow._shared.timezones import timezone
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import and_, or_, update

_LAUNCH_ID = TaskInstance.external_executor_id


def by_launch(launch_id: UUID) -> bool:
    """Give back the task whose launch came to nothing; return whether it was given back.

    What the scheduler does to a task that is stuck in queued, ten minutes sooner, and only while
    the row is still that launch's. Blocking; any thread.
    """
    with create_session(scoped=False) as session:
        # Launch ids have no index, states have one, and few rows are queued.
        of_upstream = and_(_LAUNCH_ID.is_(None), TaskInstance.id == launch_id)
        done = session.execute(
            update(TaskInstance)
            .where(
                or_(str(launch_id) == _LAUNCH_ID, of_upstream),
                TaskInstance.state == TaskInstanceState.QUEUED,
            )
            .values(**_columns())
            .execution_options(synchronize_session=False)
        )
        return bool(done.rowcount)


def orphans(homeless: Iterable[TaskInstance]) -> list[TaskInstance]:
    """Give back queued tasks without a pod; return those that the scheduler has to reset.

    They waited for room when their scheduler died. Scheduler's thread, inside its transaction,
    which takes what is not returned for adopted.
    """
    others = []
    for ti in homeless:
        if ti.state != TaskInstanceState.QUEUED:
            others.append(ti)
            continue
        for column, value in _columns().items():
            setattr(ti, column, value)
    return others


def _columns() -> dict[str, Any]:
    return {
        "state": TaskInstanceState.SCHEDULED,
        "queued_dttm": None,
        "queued_by_job_id": None,
        "scheduled_dttm": timezone.utcnow(),
    }
