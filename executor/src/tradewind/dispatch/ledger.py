"""The launches this process is responsible for. One writer: the dispatcher, on the loop thread."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.pods.labels import TaskRef


class Phase(Enum):
    """Where a launch stands."""

    WAITING = auto()
    """In the heap, or between two attempts to create its pod."""
    LIVE = auto()
    """Its pod exists, or is trusted to."""
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
    reports_itself: bool = True
    """Whether the result is in a task instance's row; otherwise the pod's end is the result."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """What is known of one launch. Only the dispatcher changes it."""

    key: Hashable
    launch_id: UUID
    row_id: UUID
    launch: Launch | None
    """None for an adopted launch: its workload died with the scheduler that had it."""
    phase: Phase
    ordinal: int = 0
    attempts: int = 0
    began_s: float = 0.0
    pod: Pod | None = None
    """The pod as last seen, or as the create returned it."""
    live_since_s: float = 0.0
    """When the pod was first known to exist; a list that began earlier may not show it."""
    revoked: bool = False
    announced: bool = False
    """Whether its beginning was reported, which only workloads without a row of their own need."""

    @property
    def reports_itself(self) -> bool:
        """Whether the result is in a task instance's row; only tasks are adopted."""
        return self.launch is None or self.launch.reports_itself


@dataclass(slots=True)
class Ledger:
    """Entries by launch id."""

    entries: dict[UUID, Entry] = field(default_factory=dict)

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

    def live(self) -> list[Entry]:
        """Return the launches whose pod should exist."""
        return [entry for entry in self.entries.values() if entry.phase is Phase.LIVE]
