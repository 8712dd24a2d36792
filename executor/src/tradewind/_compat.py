"""Airflow seam: everything of Airflow's database and settings that the executor touches.

Airflow changes these every minor release; keeping them in one file keeps `executor.py` readable.
Written against 3.3.2.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from airflow import __version__ as airflow_version
from airflow import settings
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from tradewind.dispatch.renderer import Coordinator
from tradewind.dispatch.settle import TaskFacts

__all__ = ["AIRFLOW_VERSION", "coordinator_of", "launch_id_of", "mutation_hook", "read_facts"]

AIRFLOW_VERSION: str = airflow_version

log = logging.getLogger(__name__)


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


def coordinator_of(queue: str) -> Coordinator:
    """Return what `[sdk] coordinators` says of the pods of a queue. Reads no database; any thread.

    A malformed setting says nothing, with a warning, as in upstream's executor: it is the worker
    that needs the coordinator, and that tells what is wrong with it.
    """
    from airflow.sdk.exceptions import AirflowConfigException  # noqa: PLC0415 - imports the SDK
    from airflow.sdk.execution_time.coordinator import get_coordinator_manager  # noqa: PLC0415

    try:
        extra = get_coordinator_manager().extra_for_queue(queue) or {}
    except (AirflowConfigException, ValueError) as error:
        log.warning("ignoring the coordinator of queue %r: [sdk] is malformed: %s", queue, error)
        return Coordinator()
    repository = extra.get("worker_container_repository")
    tag = extra.get("worker_container_tag")
    return Coordinator(
        template_path=str(extra.get("pod_template_file") or ""),
        image=f"{repository}:{tag}" if repository and tag else "",
    )


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
