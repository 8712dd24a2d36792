"""Figures of the dispatcher: counters that only grow, and a snapshot with the gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """What happened since the start. Loop thread only."""

    creates: int = 0
    """Pods created."""
    deletes: int = 0
    """Deletions the API server accepted."""
    relaunches: int = 0
    """Pods replaced at no retry of their task."""
    strays_deleted: int = 0
    api_errors: Counter[str] = field(default_factory=Counter)
    """Failed creates and deletes by `publish_policy.kind_of`."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Reported ends by verdict, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The dispatcher at one moment."""

    waiting: int
    """Launches in the backlog or between two attempts."""
    parked: int
    """Launches that wait for a namespace's quota."""
    parked_reasons: Mapping[str, str]
    """By namespace."""
    creating: int
    pending: int
    """Pods whose base container was not started yet."""
    starting: int
    """Those of them that nothing but the node's speed holds up."""
    running: int
    """Pods whose base container runs."""
    settling: int
    trusted: int
    """Adopted launches whose pod has not been found yet."""
    deletes_queued: int
    open_slots: int
    """Creates that may begin now beside those under way."""
    starting_limit: int
    is_api_server_down: bool
    creates: int
    deletes: int
    relaunches: int
    strays_deleted: int
    api_errors: Mapping[str, int]
    outcomes: Mapping[str, int]
