"""The label contract of task pods; docs/contract.md repeats it for users.

Upstream's labels and annotations are kept under their names, so that `airflow kubernetes
cleanup-pods`, dashboards and `kubectl -l dag_id=…` keep working.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

LAUNCH_ID = "tradewind/launch-id"
"""UUID that the scheduler wrote into the task instance when it queued it. Selects our pods."""
INSTALLATION = "tradewind/installation"
"""Which Airflow the pod belongs to: two may share a namespace, and even ids of DAGs and runs."""
ORDINAL = "tradewind/ordinal"
"""0 for the first pod of a launch; counts pods that ended before their task began."""
WORKLOAD = "tradewind/workload"
"""What a pod that runs no task runs: `callback` or `connection-test`. Task pods do not have it."""
POOL = "tradewind/pool"
"""Name of the warm pool the pod was born in; it keeps the label when it is claimed."""
TEMPLATE = "tradewind/template"
"""Hash of what a warm pod was rendered from; it is claimed only by launches of the same hash."""
DRAINING = "tradewind/draining"
"""`true` on an idle pod that nobody may claim any more and that is told to go."""
OVERDUE = "tradewind/overdue"
"""`true` on the pod of a launch that did not fetch its workload in time: it gets none any more, and
another pod is about to replace it."""
ROW_ID = "tradewind/row-id"
"""Annotation: primary key of the row the launch is about. Launch ids have no index."""
CLAIMED_AT = "tradewind/claimed-at"
"""Annotation: when a launch got the pod, in seconds since the epoch with milliseconds."""
KEEP = "tradewind/keep"
"""Annotation of users: the janitor leaves the pod alone, unless it says `false`."""
UPSTREAM = "kubernetes_executor"
"""`True` on every task pod, ours and upstream's; upstream's adoption selects by it."""

WorkloadKind = Literal["task", "callback", "connection-test"]

RESERVED_ANNOTATIONS = frozenset(
    {"dag_id", "task_id", "run_id", "try_number", "map_index", ROW_ID, CLAIMED_AT}
)
"""What says whose pod it is, exactly; nobody but us sets it."""
RESERVED = RESERVED_ANNOTATIONS | {
    "airflow_version",
    "airflow-worker",
    "airflow_executor_done",
    "airflow_pod_revoked",
    UPSTREAM,
    LAUNCH_ID,
    ORDINAL,
    WORKLOAD,
    POOL,
    TEMPLATE,
    DRAINING,
    OVERDUE,
}
"""The labels that do; upstream's and ours."""

_MAX_CHARS = 63
_HASH_CHARS = 9
_UNSAFE = re.compile(r"[^a-z0-9A-Z._-]")
_EDGE = re.compile(r"^[^a-z0-9A-Z]*|[^a-z0-9A-Z]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """One try of one task instance; of another workload, as much as is known of the like."""

    dag_id: str
    task_id: str
    run_id: str
    try_number: int
    map_index: int = -1
    """-1 for a task that is not mapped."""
    kind: WorkloadKind = "task"
    """For other kinds `task_id` only lends the pod its name, and `dag_id` may be empty."""


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
    task: TaskRef,
    *,
    launch_id: UUID,
    ordinal: int,
    airflow_version: str,
    scheduler: str,
    installation: str = "",
) -> dict[str, str]:
    """Return every label of a pod."""
    values = {
        "airflow_version": airflow_version.replace("+", "-"),
        "airflow-worker": safe_value(scheduler),
        LAUNCH_ID: str(launch_id),
        ORDINAL: str(ordinal),
    }
    if installation:
        values[INSTALLATION] = installation
    if task.kind == "task":
        return of_task(task) | {UPSTREAM: "True"} | values
    # Without `kubernetes_executor`: upstream's adoption breaks at a pod that runs no task.
    return {name: safe_value(value) for name, value in _known(task).items()} | {
        WORKLOAD: task.kind,
        **values,
    }


def for_idle(pool: str, *, airflow_version: str, installation: str = "") -> dict[str, str]:
    """Return the labels of a pod of a warm pool that has no launch, but for its hash."""
    values = {"airflow_version": airflow_version.replace("+", "-"), POOL: pool}
    return values | ({INSTALLATION: installation} if installation else {})


def annotations_for_claim(claimed_at_s: float) -> dict[str, str]:
    """Return what says since when a pod that boards has a launch, in seconds since the epoch."""
    return {CLAIMED_AT: f"{claimed_at_s:.3f}"}


def of_task(task: TaskRef) -> dict[str, str]:
    """Return the labels that tell one try of one task from all others; ours and upstream's."""
    labels = {
        "dag_id": safe_value(task.dag_id),
        "task_id": safe_value(task.task_id),
        "run_id": safe_value(task.run_id),
        "try_number": str(task.try_number),
    }
    if task.map_index >= 0:
        labels["map_index"] = str(task.map_index)
    return labels


def annotations_for_task(task: TaskRef) -> dict[str, str]:
    """Return the annotations, which hold the exact values that labels may have shortened."""
    if task.kind != "task":
        return _known(task)
    annotations = {
        "dag_id": task.dag_id,
        "task_id": task.task_id,
        "run_id": task.run_id,
        "try_number": str(task.try_number),
    }
    if task.map_index >= 0:
        annotations["map_index"] = str(task.map_index)
    return annotations


def task_of(annotations: Mapping[str, str]) -> TaskRef | None:
    """Return the try that a pod's annotations name, or None when they name none."""
    try:
        return TaskRef(
            dag_id=annotations["dag_id"],
            task_id=annotations["task_id"],
            run_id=annotations["run_id"],
            try_number=int(annotations["try_number"]),
            map_index=int(annotations.get("map_index", "-1")),
        )
    except (KeyError, ValueError):
        return None


def launch_id_of(labels: Mapping[str, str]) -> UUID | None:
    """Return the launch whose pod this is, or None for a missing or odd label."""
    try:
        return UUID(labels.get(LAUNCH_ID, ""))
    except ValueError:
        return None


def workload_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> TaskRef:
    """Return what a pod that runs no task says of its workload."""
    return TaskRef(
        kind="callback" if labels.get(WORKLOAD) == "callback" else "connection-test",
        dag_id=annotations.get("dag_id", ""),
        task_id="",
        run_id=annotations.get("run_id", ""),
        try_number=0,
    )


def claimed_at_s(annotations: Mapping[str, str]) -> float | None:
    """Return when a launch got the pod, in seconds since the epoch; None where nothing tells."""
    try:
        return float(annotations[CLAIMED_AT])
    except (KeyError, ValueError):
        return None


def ordinal_of(labels: Mapping[str, str]) -> int:
    """Return which pod of its launch this is; 0 where the label is missing or odd."""
    value = labels.get(ORDINAL, "")
    return int(value) if value.isdecimal() else 0


def selector(labels: Mapping[str, str]) -> str:
    """Return the label selector for pods that have all of `labels`."""
    return ",".join(f"{name}={value}" for name, value in labels.items())


def _known(task: TaskRef) -> dict[str, str]:
    return {
        name: value for name, value in (("dag_id", task.dag_id), ("run_id", task.run_id)) if value
    }
