"""Airflow seam: everything of Airflow's database and settings that the executor touches.

Airflow changes these every minor release; keeping them in one file keeps `executor.py` readable.
Written against 3.3.2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from airflow import __version__ as airflow_version
from airflow import settings
from airflow.configuration import conf
from airflow.models.taskinstance import TaskInstance
from airflow.observability import stats
from airflow.utils.session import create_session
from sqlalchemy import select

from tradewind.dispatch.settle import TaskFacts
from tradewind.doctor.checks import AirflowFacts
from tradewind.metrics import Counter, Gauge, Timer

__all__ = [
    "AIRFLOW_VERSION",
    "AirflowMetrics",
    "airflow_facts",
    "launch_id_of",
    "mutation_hook",
    "read_facts",
]

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


def airflow_facts() -> AirflowFacts:
    """Return what `airflow tradewind doctor` judges of this Airflow."""
    return AirflowFacts(
        version=airflow_version,
        executor=conf.get("core", "executor"),
        task_queued_timeout_s=conf.getfloat("scheduler", "task_queued_timeout"),
    )


class AirflowMetrics:
    """`metrics.Metrics` over Airflow's stats: StatsD, OpenTelemetry or Datadog, as configured.

    Any thread. Never raises: a collector that is away must not stop a launch.
    """

    def __init__(self, *, team: str = "") -> None:
        self._tags = {"team_name": team} if team else {}

    def count(self, metric: Counter, amount: int = 1, /, **labels: str) -> None:
        """Add `amount`."""
        with contextlib.suppress(Exception):
            stats.incr(metric.name, amount, tags=labels | self._tags)

    def gauge(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Set the value."""
        with contextlib.suppress(Exception):
            stats.gauge(metric.name, value, tags=labels | self._tags)

    def timing(self, metric: Timer, seconds: float, /, **labels: str) -> None:
        """Add a duration; Airflow publishes milliseconds."""
        with contextlib.suppress(Exception):
            stats.timing(metric.name, timedelta(seconds=seconds), tags=labels | self._tags)


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
