"""Figures of the dispatcher: counters that only grow, and a snapshot with the gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.gates.parking import Parking
from tradewind.dispatch.ledger import Ledger, Phase


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


def snapshot(
    ledger: Ledger, *, gates: Gates, parking: Parking, deletes_queued: int, counters: Counters
) -> Stats:
    """Return the figures of this moment."""
    phases = [entry.phase for entry in list(ledger.entries.values())]
    return Stats(
        waiting=phases.count(Phase.WAITING) - len(parking),
        parked=len(parking),
        parked_reasons=parking.reasons(),
        creating=phases.count(Phase.CREATING),
        pending=gates.pending,
        starting=len(gates.starts),
        running=phases.count(Phase.LIVE) - gates.pending,
        settling=phases.count(Phase.SETTLING),
        trusted=phases.count(Phase.TRUSTED),
        deletes_queued=deletes_queued,
        open_slots=max(0, gates.window.limit - gates.window.in_flight),
        starting_limit=gates.starts.limit,
        is_api_server_down=gates.breaker.is_open,
        creates=counters.creates,
        deletes=counters.deletes,
        relaunches=counters.relaunches,
        strays_deleted=counters.strays_deleted,
        api_errors=dict(counters.api_errors),
        outcomes=dict(counters.outcomes),
    )
