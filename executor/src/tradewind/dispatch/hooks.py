"""What others may plug into the dispatcher; every hook has a harmless default.

All are called on the loop thread. None can hurt a launch: what a hook raises is logged.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.dispatch.endpoint import Endpoint
from tradewind.dispatch.settle import TaskFacts
from tradewind.metrics import UNMEASURED, Metrics
from tradewind.pods.labels import TaskRef

EventKind = Literal[
    "refused",
    "parked",
    "pending",
    "relaunched",
    "revoked",
    "ended",
    "explained",
    "log",
    "measured",
]
"""With each goes a sentence; with `log` the last lines that a pod wrote, with `measured` a
`contract.Measured` as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRef:
    """Which launch an event is about."""

    key: Hashable
    """Airflow's key of the workload."""
    launch_id: UUID
    row_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingVerdict:
    """What is to be done about a pod that does not start."""

    action: Literal["wait", "relaunch", "fail"]
    kind: str = ""
    """One word for a metric's label; a new one is told once by a `pending` event."""
    sentence: str = ""
    """Why the pod is pending, for the user; empty when there is nothing to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A pod that no launch of this process has."""

    launch_id: UUID
    task: TaskRef | None
    """The try its annotations name, or None when they name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandoned:
    """A pod of a callback or connection test that this process does not follow."""

    launch_id: UUID
    workload: TaskRef
    scheduler: str
    """Number of the scheduler that followed it last."""


OnEvent = Callable[[EventKind, LaunchRef, str], None]
JudgePending = Callable[[Pod, float], PendingVerdict | Awaitable[PendingVerdict]]
"""Called with the pod and the seconds it has been pending; may read its Kubernetes events."""
ReadFacts = Callable[[list[UUID]], dict[UUID, TaskFacts]]
"""Blocking read of task instances by primary key; called on a worker thread, batched."""
ReadStrays = Callable[[Sequence[Stray]], dict[UUID, TaskFacts]]
"""Blocking read of the task instances that had these launches, by launch id; those without a row
are left out. Called on a worker thread, batched."""
ReadAbandoned = Callable[[Sequence[Abandoned]], dict[UUID, Hashable]]
"""Blocking read of the keys, by launch id, of those that nobody follows and that have not ended.
Called on a worker thread, batched."""


IsRefiller = Callable[[], bool]
"""Blocking read whether this scheduler keeps the warm pools; one alone does. On a worker thread."""


def always() -> bool:
    """Say yes: without a database there is no other scheduler."""
    return True


class Records(Protocol):
    """Blocking reads of what a launch's pod depends on. Called on a worker thread."""

    def oom_kills(self, task: TaskRef) -> int:
        """Return how many earlier tries of the task instance were killed for want of memory."""
        ...

    def execution_timeouts(self, dag_version_id: UUID) -> Mapping[str, float]:
        """Return the `execution_timeout` in seconds, by task id, of the tasks that have one."""
        ...


def ignore_event(kind: EventKind, launch: LaunchRef, sentence: str) -> None:
    """Do nothing."""


def wait(pod: Pod, pending_for_s: float) -> PendingVerdict:
    """Leave every pending pod alone."""
    del pod, pending_for_s
    return PendingVerdict(action="wait")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """The hooks of one executor, and its chance."""

    on_event: OnEvent = ignore_event
    judge_pending: JudgePending = wait
    read_strays: ReadStrays | None = None
    """None leaves alone what an earlier process of this executor did not delete."""
    read_abandoned: ReadAbandoned | None = None
    """None leaves alone callbacks and connection tests of schedulers that died."""
    is_refiller: IsRefiller = always
    team: str = ""
    """Whose executor it is; empty without teams."""
    endpoint: Endpoint | None = None
    """Where pods board; None where none do."""
    records: Records | None = None
    """None renders pods from the workload alone."""
    measured: Metrics = UNMEASURED
    rng: random.Random = field(default_factory=random.Random)
    """Jitter; a test gives a seeded one."""
