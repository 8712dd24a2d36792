"""Airflow seam: what the executor needs of Airflow's database and settings.

Airflow changes these every minor release. Written against 3.3.2.
"""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from airflow import __version__ as airflow_version
from airflow import settings
from airflow._shared.timezones import timezone
from airflow.configuration import conf
from airflow.jobs.job import Job, JobState
from airflow.models.callback import Callback, CallbackKey
from airflow.models.connection_test import (
    ConnectionTestKey,
    ConnectionTestRequest,
    ConnectionTestState,
)
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select, tuple_

from tradewind.dispatch.hooks import Abandoned, Stray
from tradewind.dispatch.renderer import Coordinator
from tradewind.dispatch.settle import TaskFacts
from tradewind.pods.labels import TaskRef

__all__ = [
    "AIRFLOW_VERSION",
    "abandoned_keys",
    "coordinator_of",
    "fail_connection_test",
    "is_first_scheduler",
    "launch_id_of",
    "mutation_hook",
    "read_facts",
    "read_strays",
    "task_ref",
]

AIRFLOW_VERSION: str = airflow_version

log = logging.getLogger(__name__)

_UNFINISHED = ("queued", "running")
"""States of callbacks and connection tests that were handed to an executor."""
_EXTERNAL_ID = TaskInstance.external_executor_id
_IDENTITY = (
    TaskInstance.dag_id,
    TaskInstance.task_id,
    TaskInstance.run_id,
    TaskInstance.map_index,
)


def read_facts(row_ids: Sequence[UUID]) -> dict[UUID, TaskFacts]:
    """Return states, owners and times of queuing by primary key. Blocking; any thread.

    Uses a session of its own: the scheduler's scoped one would commit the scheduler's transaction
    (apache/airflow#67813).
    """
    with create_session(scoped=False) as session:
        rows = session.execute(
            select(
                TaskInstance.id, TaskInstance.state, _EXTERNAL_ID, TaskInstance.queued_dttm
            ).where(TaskInstance.id.in_(list(row_ids)))
        ).all()
    return {
        # A row that an executor without launch ids queued is launched under its primary key.
        _uuid(row_id): TaskFacts(
            state=state,
            launch_id=launch_id_of(external) or _uuid(row_id),
            queued_s=None if queued is None else queued.timestamp(),
        )
        for row_id, state, external, queued in rows
    }


def read_strays(strays: Sequence[Stray]) -> dict[UUID, TaskFacts]:
    """Return the present row behind each stray launch that has one. Blocking; any thread.

    A task's row is found by its try's identity, because launch ids have no index; a callback's and
    a connection test's by its own id, which is its launch id.
    """
    launches = defaultdict(list)
    for stray in strays:
        if stray.task is not None:
            launches[_identity(stray.task)].append(stray.launch_id)
    with create_session(scoped=False) as session:
        facts = {
            launch_id: TaskFacts(state=state, launch_id=launch_id)
            for model in (Callback, ConnectionTestRequest)
            for launch_id, state in session.execute(
                select(model.id, model.state).where(
                    model.id.in_([stray.launch_id for stray in strays if stray.task is None])
                )
            )
        }
        rows = session.execute(
            select(*_IDENTITY, TaskInstance.id, TaskInstance.state, _EXTERNAL_ID).where(
                tuple_(*_IDENTITY).in_(list(launches))
            )
        ).all()
    for *identity, row_id, state, external in rows:
        mine, owner = launches[tuple(identity)], launch_id_of(external)
        if owner is None:
            # Launched under its primary key, or by an executor without launch ids: then the row
            # proves nothing about the others.
            owner = _uuid(row_id)
            mine = [launch_id for launch_id in mine if launch_id == owner]
        facts |= dict.fromkeys(mine, TaskFacts(state=state, launch_id=owner))
    return facts


def abandoned_keys(abandoned: Sequence[Abandoned]) -> dict[UUID, Hashable]:
    """Return Airflow's keys of unfinished workloads whose scheduler lives no more, by launch id.

    Blocking; any thread.
    """
    keys: dict[UUID, Hashable] = {}
    with create_session(scoped=False) as session:
        living = {str(job_id) for job_id in session.scalars(_living())}
        wanted = [one.launch_id for one in abandoned if one.scheduler not in living]
        for model, key in ((Callback, CallbackKey), (ConnectionTestRequest, ConnectionTestKey)):
            unfinished = select(model.id).where(model.id.in_(wanted), model.state.in_(_UNFINISHED))
            keys |= {row_id: key(id=str(row_id)) for row_id in session.scalars(unfinished)}
    return keys


def is_first_scheduler(job_id: object) -> bool:
    """Whether no scheduler that lives has a lower number: that one keeps the warm pools.

    Blocking; any thread. Without a number, as in an executor that no scheduler started, it is.
    """
    if not job_id:
        return True
    with create_session(scoped=False) as session:
        first = session.scalar(_living().order_by(Job.id).limit(1))
    return str(first) == str(job_id)


def _living() -> Any:
    """Return the query for the numbers of schedulers that live."""
    threshold_s = conf.getint("scheduler", "scheduler_health_check_threshold")
    return select(Job.id).where(
        Job.job_type == "SchedulerJob",
        Job.state == JobState.RUNNING,
        Job.latest_heartbeat >= timezone.utcnow() - timedelta(seconds=threshold_s),
    )


def fail_connection_test(test_id: str, reason: str) -> None:
    """Write why a connection test has no result, unless it has one. Blocking; any thread."""
    with create_session(scoped=False) as session:
        row = session.get(ConnectionTestRequest, UUID(test_id))
        if row is not None and row.state in _UNFINISHED:
            row.state = ConnectionTestState.FAILED
            row.result_message = reason


def launch_id_of(external_executor_id: str | None) -> UUID | None:
    """Return the launch id in that column, or None for an id another executor wrote."""
    try:
        return UUID(str(external_executor_id or ""))
    except ValueError:
        return None


def task_ref(ti: Any) -> TaskRef:
    """Return which try it is; `ti` is a task instance, its workload's copy, or its key."""
    return TaskRef(
        # Every row brings its own copy of the same names.
        dag_id=sys.intern(ti.dag_id),
        task_id=sys.intern(ti.task_id),
        run_id=sys.intern(ti.run_id),
        try_number=ti.try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


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


def _identity(task: TaskRef) -> tuple[Any, ...]:
    return (task.dag_id, task.task_id, task.run_id, task.map_index)


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
