"""Airflow seam: what the database has on one try of one task, for those who ask why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow._shared.timezones import timezone
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskinstancehistory import TaskInstanceHistory
from airflow.utils.session import create_session
from sqlalchemy import or_, select, union_all

from tradewind.contract import EVENT_MEASURED, Measured

_BATCH_ROWS = 1000
"""Read at a time: weeks of a busy deployment are hundreds of thousands of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """The part of a task instance's row that leads to its pods."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    state: str | None
    external_executor_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """One row of the audit log."""

    at: str
    """ISO 8601, UTC."""
    event: str
    text: str


def find_task_instance(
    dag_id: str, task_id: str, *, run_id: str | None, map_index: int
) -> TaskRow | None:
    """Return the task instance, of the latest run when `run_id` is None. Blocking."""
    columns = [getattr(TaskInstance, name) for name in TaskRow.__slots__]
    query = select(*columns).where(
        TaskInstance.dag_id == dag_id,
        TaskInstance.task_id == task_id,
        TaskInstance.map_index == map_index,
    )
    if run_id is not None:
        query = query.where(TaskInstance.run_id == run_id)
    query = query.join(TaskInstance.dag_run).order_by(DagRun.run_after.desc(), DagRun.id.desc())
    with create_session(scoped=False) as session:
        row = session.execute(query.limit(1)).first()
    return None if row is None else TaskRow(**dict(zip(TaskRow.__slots__, row, strict=True)))


def audit_rows(
    row: TaskRow, *, try_number: int, prefix: str, others: Sequence[str]
) -> list[AuditRow]:
    """Return what the audit log has on that try, oldest first. Blocking.

    Args:
        row: the task instance.
        try_number: its try.
        prefix: what the events of interest begin with.
        others: further events, in full.

    """
    query = (
        select(Log.dttm, Log.event, Log.extra)
        .where(
            Log.dag_id == row.dag_id,
            Log.task_id == row.task_id,
            Log.run_id == row.run_id,
            Log.map_index == row.map_index,
            Log.try_number == try_number,
            or_(Log.event.startswith(prefix, autoescape=True), Log.event.in_(list(others))),
        )
        .order_by(Log.dttm, Log.id)
    )
    with create_session(scoped=False) as session:
        found = session.execute(query).all()
    return [
        AuditRow(at=at.isoformat(timespec="seconds"), event=event, text=extra or "")
        for at, event, extra in found
    ]


def measured_launches(
    dag_id: str | None, *, since: datetime
) -> dict[tuple[str, str], list[Measured]]:
    """Return what launches since then were measured at, by DAG and task, oldest first. Blocking.

    Mapped tasks and all tries stand together. Rows that no executor of ours wrote are left out.

    Args:
        dag_id: of one DAG, or None for all.
        since: when, with a time zone.

    """
    query = (
        select(Log.dag_id, Log.task_id, Log.extra)
        .where(Log.event == EVENT_MEASURED, Log.dttm >= since, Log.task_id.is_not(None))
        .order_by(Log.dttm, Log.id)
    )
    if dag_id is not None:
        query = query.where(Log.dag_id == dag_id)
    found: dict[tuple[str, str], list[Measured]] = defaultdict(list)
    with create_session(scoped=False) as session:
        for dag, task, text in session.execute(query.execution_options(yield_per=_BATCH_ROWS)):
            measured = Measured.decode(text or "")
            if measured is not None:
                found[dag, task].append(measured)
    return dict(found)


def texts_since(event: str, *, window_s: float) -> list[str]:
    """Return the texts of all rows of that event in the last `window_s` seconds. Blocking."""
    since = timezone.utcnow() - timedelta(seconds=window_s)
    query = select(Log.extra).where(Log.event == event, Log.dttm >= since).order_by(Log.dttm)
    with create_session(scoped=False) as session:
        return [text or "" for text in session.scalars(query)]


def queued_since(*, window_s: float, queue: str | None) -> list[float]:
    """Return when tasks were queued, in seconds from `window_s` seconds ago. Blocking.

    Every try counts. The column has no index, so this reads all of a large table.
    """
    since = timezone.utcnow() - timedelta(seconds=window_s)
    parts = [
        select(model.queued_dttm).where(
            model.queued_dttm >= since, *([] if queue is None else [model.queue == queue])
        )
        for model in (TaskInstance, TaskInstanceHistory)
    ]
    with create_session(scoped=False) as session:
        times = session.scalars(union_all(*parts)).all()
    return sorted((time - since).total_seconds() for time in times)
