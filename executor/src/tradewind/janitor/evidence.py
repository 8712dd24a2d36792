"""What Airflow says of the try a pod runs, as evidence for or against the pod. Pure.

A row speaks of a pod only when it is about the same try of the same Airflow. Two installations can
have DAGs and runs of equal names, so names alone prove nothing: the row's id, which the pod carries
as an annotation, does. Where one pod's id is met in an Airflow, that Airflow is the one that
launched the pods of this installation, and what it has said since is believed about the others too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tradewind.janitor.view import PodView
from tradewind.pods.labels import TaskRef

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
    lasted_s: float = 0.0
    """For how many seconds this standing was seen without a break."""
    is_trusted: bool = False
    """Whether the Airflow that said so is proven to be the one that launched the pod."""
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
    if names_its_row(pod, row) or not (pod.row_id and row.id):
        return _of_its_row(row, ahead=0 if names_its_row(pod, row) else _ahead(pod.task, row))
    return _of_another_row(row, ahead=_ahead(pod.task, row))


def _of_its_row(row: Row, *, ahead: int) -> Standing:
    """Judge by the row the pod was launched for, as far as ids or numbers tell."""
    if ahead:
        return Standing.SUPERSEDED if ahead > 0 else Standing.UNKNOWN
    if row.state in LIVE_STATES:
        return Standing.LIVE
    return Standing.FINISHED if row.state in FINISHED_STATES else Standing.SUPERSEDED


def _of_another_row(row: Row, *, ahead: int) -> Standing:
    """Judge by a row that took the place of the pod's.

    A lower number is of a run that was deleted and made again, or of a restored database. Of the
    same number, a new row waits to be queued; one that runs contradicts the pod.
    """
    if ahead < 0 or (ahead == 0 and row.state in LIVE_STATES):
        return Standing.UNKNOWN
    return Standing.SUPERSEDED


def _ahead(task: TaskRef, row: Row) -> int:
    return row.try_number - task.try_number


def sentence(pod: PodView, row: Row | None) -> str:
    """Return what Airflow said of the pod's try, for people."""
    if row is None:
        return "Airflow has no such task instance"
    if pod.task is not None and row.try_number != pod.task.try_number:
        return f"Airflow is at try {row.try_number} ({row.state or 'no state'})"
    again = ", queued anew" if pod.row_id and row.id and row.id != pod.row_id else ""
    return f"try {row.try_number} is {row.state or 'without a state'}{again}"
