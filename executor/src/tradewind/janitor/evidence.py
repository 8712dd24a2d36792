"""What Airflow says of the try a pod runs, as evidence for or against the pod. Pure.

A row speaks of a pod only when it is about the same try of the same Airflow. Two installations can
have DAGs and runs of equal names, so names alone prove nothing: the row's id, which the pod carries
as an annotation, does. Once one pod's id was met in an Airflow, that Airflow is known to be the one
that launched the pods of this installation, and is believed about the others too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tradewind.janitor.view import PodView

LIVE_STATES = frozenset({"queued", "running", "restarting"})
"""States in which a task instance has a pod. Any other was reached by leaving one of these."""
FINISHED_STATES = frozenset(
    {"success", "failed", "up_for_retry", "skipped", "removed", "upstream_failed"}
)


class Standing(StrEnum):
    """How a pod's try stands with Airflow."""

    LIVE = "live"
    FINISHED = "finished"
    SUPERSEDED = "superseded"
    """Another try has begun, or the task waits without a pod: deferred, rescheduled, cleared."""
    GONE = "gone"
    """Airflow has no such task instance: the DAG, its run or the task was deleted."""
    UNKNOWN = "unknown"
    """Not asked, not answered, or an answer that does not fit. Proves nothing."""


class Node(StrEnum):
    """How a pod's node stands with Kubernetes."""

    PRESENT = "present"
    GONE = "gone"
    OUT_OF_SERVICE = "out of service"
    """An administrator's taint says that nothing runs there any more."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A task instance as Airflow's REST API tells it."""

    id: str
    try_number: int
    state: str | None
    """None for a cleared task that was not scheduled yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that may speak against one pod."""

    standing: Standing = Standing.UNKNOWN
    said: str = ""
    """What Airflow said, for people: `try 1 is failed`."""
    since_s: float = 0.0
    """When this standing was first seen without a break, on the policy's clock."""
    is_trusted: bool = False
    """Whether that Airflow is known to be the one that launched the pod."""
    node: Node = Node.UNKNOWN


UNKNOWN = Evidence()


def names_its_row(pod: PodView, row: Row | None) -> bool:
    """Whether the pod was launched for that very row, which no other Airflow can have."""
    return row is not None and bool(row.id) and row.id == pod.row_id


def standing_of(pod: PodView, row: Row | None) -> Standing:
    """Return how the pod's try stands; `row` is None when Airflow says that there is none."""
    if pod.task is None or not pod.runs_task:
        return Standing.UNKNOWN
    if row is None:
        return Standing.GONE
    if pod.row_id and row.id and row.id != pod.row_id:
        return Standing.SUPERSEDED
    if row.try_number != pod.task.try_number:
        # A lower number is of a run that was deleted and made again, or of a restored database.
        newer = row.try_number > pod.task.try_number
        return Standing.SUPERSEDED if newer else Standing.UNKNOWN
    if row.state in LIVE_STATES:
        return Standing.LIVE
    return Standing.FINISHED if row.state in FINISHED_STATES else Standing.SUPERSEDED


def sentence(pod: PodView, row: Row | None) -> str:
    """Return what Airflow said of the pod's try, for people."""
    if row is None:
        return "Airflow has no such task instance"
    if pod.task is not None and row.try_number != pod.task.try_number:
        return f"Airflow is at try {row.try_number} ({row.state or 'no state'})"
    again = ", queued anew" if pod.row_id and row.id and row.id != pod.row_id else ""
    return f"try {row.try_number} is {row.state or 'without a state'}{again}"
