"""Airflow seam: what the database has on a launch before its pod is made (`hooks.Records`).

Blocking; any thread. Sessions are our own: see `_compat`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from airflow.models.log import Log
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.session import create_session
from sqlalchemy import func, select

from tradewind.audit import EVENTS
from tradewind.pods.ending import WAS_OOM_KILLED
from tradewind.pods.labels import TaskRef
from tradewind.pods.template import BASE_CONTAINER

_KILLED = f"container {BASE_CONTAINER} {WAS_OOM_KILLED}"
"""Of its own container: more memory for it would not have saved a sidecar."""


def oom_kills(task: TaskRef) -> int:
    """Return how many earlier tries of the task instance were killed for want of memory.

    The audit log tells, as long as its rows are kept.
    """
    query = select(func.count(Log.try_number.distinct())).where(
        Log.dag_id == task.dag_id,
        Log.task_id == task.task_id,
        Log.run_id == task.run_id,
        Log.map_index == task.map_index,
        Log.try_number < task.try_number,
        Log.event == EVENTS["failed"],
        Log.extra.contains(_KILLED, autoescape=True),
    )
    with create_session(scoped=False) as session:
        return session.scalar(query) or 0


def execution_timeouts(dag_version_id: UUID) -> Mapping[str, float]:
    """Return the `execution_timeout` in seconds, by task id, of a DAG's tasks that have one.

    Read from the serialized DAG as it is stored: to make the DAG of it would cost a thousand times
    as much.
    """
    query = select(SerializedDagModel).where(SerializedDagModel.dag_version_id == dag_version_id)
    with create_session(scoped=False) as session:
        stored = session.scalar(query)
        data = None if stored is None else stored.data
    found = {}
    for task in (data or {}).get("dag", {}).get("tasks", ()):
        fields = task.get("__var", task)
        timeout_s = _seconds(
            fields.get("execution_timeout")
            or (fields.get("partial_kwargs") or {}).get("execution_timeout")
        )
        if timeout_s is not None:
            found[fields["task_id"]] = timeout_s
    return found


def _seconds(value: Any) -> float | None:
    """Return a serialized timedelta: plain seconds, or the same in an envelope."""
    if isinstance(value, Mapping):
        value = value.get("__var")
    return float(value) if isinstance(value, int | float) else None
