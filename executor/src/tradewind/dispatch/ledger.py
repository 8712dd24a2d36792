"""The launches this process is responsible for. One writer: the dispatcher, on the loop thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.dispatch.gates.parking import Ticket
from tradewind.pods.causes import Cause
from tradewind.pods.labels import TaskRef

MissReason = Literal["no_pool", "empty", "starting", "lost", "refused", "error"]
"""Why a launch starts cold although there are warm pools. `no_pool`: none has pods of its shape;
`empty`: all are taken; `starting`: the next do not run yet; `lost`: others claimed them first;
`refused`: the API server takes no claims; `error`: it is in trouble."""


class Phase(Enum):
    """Where a launch stands."""

    WAITING = auto()
    """In the backlog, parked, or between two attempts to create its pod."""
    CREATING = auto()
    """The create of its pod is under way, or its answer is being looked up."""
    TRUSTED = auto()
    """Adopted without a picture of the cluster: somebody has to look for its pod."""
    LIVE = auto()
    """Its pod exists."""
    SETTLING = auto()
    """Its pod has ended; the task instance's row is being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A request to run one workload in one pod, as the scheduler's thread handed it over."""

    key: Hashable
    """Airflow's key of the workload, opaque here."""
    launch_id: UUID
    row_id: UUID
    """Primary key of the task instance's row, or of the other workload's own."""
    task: TaskRef
    priority: int
    render_args: Callable[[], Sequence[str]]
    """Called just before the create, so that the token inside is as young as can be."""
    render_override: Callable[[], Mapping[str, Any]] | None = None
    template_path: str = ""
    """Pod template of this task alone; empty uses the executor's."""
    queue: str = ""
    """May choose profile, namespace and template."""
    choice: object = None
    """What the task has under `executor_config["tradewind"]`, not judged yet."""
    dag_version_id: UUID | None = None
    """Version of the DAG that the task instance belongs to; leads to `timeout_s`."""
    timeout_s: float | None = None
    """After which its own worker gives the workload up, or None when it never does."""
    oom_kills: int = 0
    """How many earlier tries were killed for want of memory; each may raise this one's."""
    reports_itself: bool = True
    """Whether the result is in a task instance's row; otherwise the pod's end is the result."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is known of one launch. Only the dispatch package changes it."""

    key: Hashable
    launch_id: UUID
    row_id: UUID
    launch: Launch | None
    """None for an adopted launch: its workload died with the scheduler that had it."""
    task: TaskRef | None = None
    """Which try it is, where that is known."""
    phase: Phase
    queued: bool = False
    """Whether it is in the backlog."""
    is_parked: bool = False
    """Whether it waits for a namespace's quota."""
    turn: int = 0
    """Grows with every step; a timer set before the last step is void."""
    age: int = 0
    """Place among launches of the same priority; kept through retries and relaunches."""
    ordinal: int = 0
    attempts: int = 0
    """Creates of the present pod."""
    troubled_since_s: float | None = None
    """When the first of them failed, or None while none has."""
    may_have_pod: bool = False
    """Whether an answer to a create was lost, so that a pod nobody saw may exist."""
    namespace: str = ""
    """Of the pod, once it was rendered."""
    pod: Pod | None = None
    """The pod as last seen, or as the create returned it."""
    live_since_s: float = 0.0
    """When the pod was first known to exist; a list that began earlier may not show it."""
    missing_since_s: float | None = None
    """When a list first lacked the pod of a launch that was adopted on trust."""
    pending_kind: str = ""
    """What the pod was last said to wait for."""
    judge_at_s: float = 0.0
    """When to look next at why it is pending."""
    is_hopeless: bool = False
    """Whether its pending pod was given up: another one would wait for the same."""
    replaced_since_s: float | None = None
    """When its pending pod was told to go so that another can come."""
    replaced_cause: Cause | None = None
    since_s: float = 0.0
    """When it was taken, or its last pod ended."""
    placed_s: float | None = None
    """When its pod was first seen on a node."""
    has_run: bool = False
    """Whether its pod's container was seen running."""
    is_overheard: bool = False
    """Whether its pod's log was read when somebody else began to delete the pod."""
    last_words: str = ""
    """What was read then."""
    boards_since_s: float | None = None
    """Since when its pod might have fetched its workload; None before it was seen running."""
    has_boarded: bool = False
    """Whether its row was seen to have left `queued`."""
    overdue_since_s: float | None = None
    """When its pod was marked overdue: from then on it is not handed its workload."""
    revoked: bool = False
    shape: str | None = None
    """Hash of what its pod is made of: pods of warm pools with the same fit. None before it was
    rendered, empty when its workload stands in the spec."""
    misses_pools: MissReason | None = None
    """Why it starts cold though a pod of a pool was tried for; None while none was."""
    missed: MissReason | None = None
    """Why its present pod was made although there are warm pools."""
    announced: bool = False
    """Whether its beginning was reported, which only workloads without a row of their own need."""

    @property
    def reports_itself(self) -> bool:
        """Whether the result is in a task instance's row."""
        if self.launch is not None:
            return self.launch.reports_itself
        return self.task is None or self.task.kind == "task"

    @property
    def ticket(self) -> Ticket:
        """Place in a queue: highest priority first, then oldest."""
        priority = 0 if self.launch is None else self.launch.priority
        return (-priority, self.age, self.launch_id)

    def next_pod(self) -> None:
        """Turn to the launch's next pod; the present one is gone or can run no more."""
        self.ordinal += 1
        self.attempts = 0
        self.troubled_since_s = self.replaced_since_s = self.pod = None
        self.replaced_cause = self.placed_s = self.missed = None
        self.boards_since_s = self.overdue_since_s = None
        self.pending_kind = self.last_words = ""
        self.has_run = self.is_overheard = self.has_boarded = False
        self.judge_at_s = 0.0
        self.may_have_pod = False
        self.phase = Phase.WAITING


@dataclass(slots=True)
class Ledger:
    """Entries by launch id."""

    entries: dict[UUID, Entry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entry: Entry) -> bool:
        """Take the entry in; False when that launch is known already."""
        if entry.launch_id in self.entries:
            return False
        self.entries[entry.launch_id] = entry
        return True

    def get(self, launch_id: UUID) -> Entry | None:
        """Return the entry, or None when the launch is not ours or has ended."""
        return self.entries.get(launch_id)

    def drop(self, launch_id: UUID) -> None:
        """Forget the launch; a no-op when it is unknown."""
        self.entries.pop(launch_id, None)

    def holds(self, entry: Entry) -> bool:
        """Whether this very entry is still the launch's: it may have been revoked meanwhile."""
        return self.entries.get(entry.launch_id) is entry

    def within(self, *phases: Phase) -> list[Entry]:
        """Return the launches in any of these phases."""
        return [entry for entry in self.entries.values() if entry.phase in phases]
