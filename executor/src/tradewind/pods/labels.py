"""The label contract of task pods; docs/contract.md repeats it for users.

Upstream's labels and annotations are kept under their names, so that `airflow kubernetes
cleanup-pods`, dashboards and `kubectl -l dag_id=…` keep working.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from uuid import UUID

LAUNCH_ID = "tradewind/launch-id"
"""UUID that the scheduler wrote into the task instance when it queued it. Selects our pods."""
ORDINAL = "tradewind/ordinal"
"""0 for the first pod of a launch; counts pods that ended before their task began."""

RESERVED_ANNOTATIONS = frozenset({"dag_id", "task_id", "run_id", "try_number", "map_index"})
"""What says whose pod it is, exactly; nobody but us sets it."""
RESERVED = RESERVED_ANNOTATIONS | {
    "kubernetes_executor",
    "airflow_version",
    "airflow-worker",
    "airflow_executor_done",
    "airflow_pod_revoked",
    LAUNCH_ID,
    ORDINAL,
}
"""The labels that do; upstream's and ours."""

_MAX_CHARS = 63
_HASH_CHARS = 9
_UNSAFE = re.compile(r"[^a-z0-9A-Z._-]")
_EDGE = re.compile(r"^[^a-z0-9A-Z]*|[^a-z0-9A-Z]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """One try of one task instance."""

    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int = -1
    """-1 for a task that is not mapped."""


def safe_value(text: str) -> str:
    """Return `text` as a legal label value; upstream's rule, so that selectors agree.

    Values that had to change end in a hash of the original, which keeps them distinct. Of a text
    without any usable character only the hash stays; upstream puts a dash before it, which no API
    server takes.
    """
    safe = _EDGE.sub("", _UNSAFE.sub("", text))
    if len(safe) > _MAX_CHARS or text != safe:
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:_HASH_CHARS]
        safe = f"{safe[: _MAX_CHARS - len(digest) - 1]}-{digest}" if safe else digest
    return safe


def for_task(
    task: TaskRef, *, launch_id: UUID, ordinal: int, airflow_version: str, scheduler: str
) -> dict[str, str]:
    """Return every label of a task pod."""
    labels = {
        "dag_id": safe_value(task.dag_id),
        "task_id": safe_value(task.task_id),
        "run_id": safe_value(task.run_id),
        "try_number": str(task.try_number),
        "kubernetes_executor": "True",
        "airflow_version": airflow_version.replace("+", "-"),
        "airflow-worker": safe_value(scheduler),
        LAUNCH_ID: str(launch_id),
        ORDINAL: str(ordinal),
    }
    if task.map_index >= 0:
        labels["map_index"] = str(task.map_index)
    return labels


def annotations_for_task(task: TaskRef) -> dict[str, str]:
    """Return the annotations, which hold the exact values that labels may have shortened."""
    annotations = {
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "run_id": task.run_id,
        "try_number": str(task.try_number),
    }
    if task.map_index >= 0:
        annotations["map_index"] = str(task.map_index)
    return annotations
