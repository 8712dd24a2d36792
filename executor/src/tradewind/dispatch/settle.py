"""What a pod's end means for its task instance: one table. Pure.

The worker reports the task's own result to Airflow; a pod's end only matters where that report is
missing. A task that failed in user code ends its pod with exit code 0, and a deferred or
rescheduled task ends its pod while the task lives on under another launch.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from tradewind.config import Settings
from tradewind.contract import Ended
from tradewind.pods.causes import ABOUT, Cause, Kind


class Verdict(Enum):
    """What the scheduler is told."""

    SUCCESS = auto()
    FAILED = auto()
    DROP = auto()
    """Nothing: the task instance has moved on, an event would hit the wrong launch."""
    RELAUNCH = auto()
    """The task never began: replace the pod, no retry of the task is used."""
    REQUEUE = auto()
    """No end: the task never began and this process has not got its workload. No event must be
    sent, which would use a retry; its row is given back to the scheduler, which queues it again."""
    RUNNING = auto()
    """No end: a workload began whose worker does not tell Airflow so itself."""


_FAILED = frozenset({"failed", "up_for_retry"})
_TELLING = frozenset(
    {Kind.OOM_KILLED, Kind.STORAGE_LIMIT, Kind.DEADLINE}
    | {kind for kind, about in ABOUT.items() if about.infrastructure}
)
"""Ends that are news to whoever reads the task's own log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """The task instance's row at the time its pod had ended."""

    state: str | None
    launch_id: UUID | None
    """`external_executor_id`: the launch that owns the task instance now."""
    queued_s: float | None = None
    """When it was last queued, in seconds since the epoch."""


def explains_failure(facts: TaskFacts | None, cause: Cause) -> bool:
    """Whether the pod's end is why a task failed that its own worker reported as failed.

    A task that was killed for memory is told failed by its supervisor, which does not know why;
    one that raised an exception ends its pod like any other, and has told why itself.
    """
    return facts is not None and facts.state in _FAILED and cause.kind in _TELLING


def settle(
    facts: TaskFacts | None,
    *,
    launch_id: UUID,
    relaunches_left: int,
    can_relaunch: bool,
    farewell: Ended | None = None,
) -> Verdict:
    """Return the verdict for an ended pod of launch `launch_id`.

    Args:
        facts: the row, or None when the task instance is gone.
        launch_id: the launch whose pod ended.
        relaunches_left: how many more pods this launch may have.
        can_relaunch: False for an adopted launch, whose workload this process never had.
        farewell: what our worker said of its end, or None where it said nothing.

    """
    if facts is None or facts.launch_id != launch_id:
        return Verdict.DROP
    match facts.state:
        case "success" | "running" if farewell == "superseded":
            # The state is another pod's doing, and so is what becomes of it.
            return Verdict.DROP
        case "success" | "restarting":
            # Of a restarting task, which was cleared while it ran, the scheduler waits for this
            # very event to run it again.
            return Verdict.SUCCESS
        case "queued":
            again = Verdict.RELAUNCH if can_relaunch else Verdict.REQUEUE
            return again if relaunches_left > 0 else Verdict.FAILED
        case "running":
            return Verdict.FAILED
        case _:
            return Verdict.DROP


def settle_by_pod(
    *, ended_well: bool, has_started: bool, relaunches_left: int, farewell: Ended | None = None
) -> Verdict:
    """Return the verdict for a workload without a task instance: its pod's end is its result.

    Callbacks end with a non-zero exit code when they failed. Connection tests report their result
    themselves, to a row of their own that the scheduler watches; here only their slot counts.
    `farewell` is what our worker said of its end.
    """
    if farewell == "superseded":
        return Verdict.DROP
    if farewell == "not_started":
        has_started = ended_well = False
    if ended_well:
        return Verdict.SUCCESS
    return Verdict.FAILED if has_started or relaunches_left <= 0 else Verdict.RELAUNCH


def is_kept(settings: Settings, *, failed: bool) -> bool:
    """Whether users asked for pods that ended so to stay."""
    return not settings.delete_pods or (failed and not settings.delete_failed_pods)
