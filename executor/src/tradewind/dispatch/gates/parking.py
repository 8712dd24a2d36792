"""Launches that a namespace's quota refuses, waiting until it has room. Pure.

A parked launch costs no call. What frees it: a pod of that namespace that ended or went, one
launch each; and a tick, one launch each, because quotas are also raised, or freed by pods that are
not ours. A create that works after a tick frees two more, so that a raised quota fills quickly.
Quotas are recounted a moment after a pod went, therefore a refused try is repeated soon at first.

Launches wait in one lot for what they were refused: where the number of pods is exhausted, nobody
else need try either; where eight processors are too much, a smaller pod may still fit.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

TICK_S = 30.0
RECOUNT_S = 2.0
"""First repetition after a pod went and the quota still refused."""

Ticket = tuple[int, int, UUID]
"""Place in a queue: lowest first. (-priority_weight, age, launch)."""

_REQUESTED = re.compile(r"requested: (.+?), used: ")
_COUNTS = ("pods=", "count/pods=")


def demand_of(message: str) -> str:
    """Return what a quota's refusal says was asked for; empty when no other pod would fit either.

    The message lists what is exhausted only, such as `requested: cpu=8, used: cpu=5, …`.
    """
    found = _REQUESTED.search(message)
    if found is None:
        return ""
    demand = found.group(1)
    return "" if any(part.startswith(_COUNTS) for part in demand.split(",")) else demand


@dataclass(slots=True)
class _Lot:
    """What waits for the same in one namespace."""

    reason: str
    tick_s: float
    backoff_s: float = TICK_S
    waiting: list[Ticket] = field(default_factory=list)
    out: dict[UUID, bool] = field(default_factory=dict)
    """Launches on their way to another try; True for those that a tick freed."""

    def free(self, *, by_tick: bool) -> list[Ticket]:
        """Return the next launch that may try, or none."""
        if not self.waiting:
            return []
        ticket = heapq.heappop(self.waiting)
        self.out[ticket[2]] = by_tick
        return [ticket]


class Parking:
    """Lots for each namespace whose quota is exhausted."""

    def __init__(self) -> None:
        self._lots: dict[tuple[str, str], _Lot] = {}

    def __len__(self) -> int:
        return sum(len(lot.waiting) for lot in self._lots.values())

    def reasons(self) -> dict[str, str]:
        """Return by namespace why launches wait there."""
        return {namespace: lot.reason for (namespace, _), lot in self._lots.items() if lot.waiting}

    def sizes(self) -> dict[str, int]:
        """Return how many wait, by namespace; only where some do."""
        found: Counter[str] = Counter()
        for (namespace, _), lot in self._lots.items():
            found[namespace] += len(lot.waiting)
        return {namespace: count for namespace, count in found.items() if count}

    def reason_to_wait(self, namespace: str, launch_id: UUID) -> str:
        """Return why the launch has to wait before it is tried, or nothing when it may try."""
        lot = self._lots.get((namespace, ""))
        if lot is None or any(launch_id in other.out for other in self._of(namespace)):
            return ""
        return lot.reason

    def queue(self, namespace: str, ticket: Ticket) -> None:
        """Let a launch that was not tried wait with those the quota refused for good reason."""
        heapq.heappush(self._lots[namespace, ""].waiting, ticket)

    def refused(
        self, namespace: str, ticket: Ticket, *, reason: str, demand: str, now_s: float
    ) -> None:
        """Park a launch that the quota refused; `demand` is what `demand_of` told."""
        key = (namespace, demand)
        lot = self._lots.setdefault(key, _Lot(reason=reason, tick_s=now_s + TICK_S))
        lot.reason = reason
        heapq.heappush(lot.waiting, ticket)
        if lot.out.pop(ticket[2], None) is not None:
            lot.tick_s = now_s + lot.backoff_s
            lot.backoff_s = min(TICK_S, lot.backoff_s * 2)
        # Freed from another lot: what it lacks has changed.
        self._forget_out(namespace, ticket[2])

    def created(self, namespace: str, launch_id: UUID) -> list[Ticket]:
        """Note a create that worked; return what may try now."""
        freed: list[Ticket] = []
        for lot in self._of(namespace):
            if lot.out.pop(launch_id, False):
                freed += lot.free(by_tick=True) + lot.free(by_tick=True)
        self._close_empty()
        return freed

    def left(self, namespace: str, launch_id: UUID) -> list[Ticket]:
        """Note that a freed launch ended otherwise; return what may try in its place."""
        freed: list[Ticket] = []
        for lot in self._of(namespace):
            if launch_id in lot.out:
                freed += lot.free(by_tick=lot.out.pop(launch_id))
        self._close_empty()
        return freed

    def freed(self, namespace: str) -> list[Ticket]:
        """Note that a pod of the namespace ended or went; return what may try now."""
        freed: list[Ticket] = []
        for lot in self._of(namespace):
            lot.backoff_s = RECOUNT_S
            freed += lot.free(by_tick=False)
        return freed

    def ticked(self, now_s: float) -> list[Ticket]:
        """Return what may try because its lot's tick is due."""
        freed: list[Ticket] = []
        for lot in self._lots.values():
            if lot.tick_s <= now_s:
                lot.tick_s = now_s + TICK_S
                freed += [] if lot.out else lot.free(by_tick=True)
        return freed

    def drop(self, launch_id: UUID) -> None:
        """Forget a launch, wherever it waits."""
        for lot in self._lots.values():
            lot.out.pop(launch_id, None)
            if any(ticket[2] == launch_id for ticket in lot.waiting):
                lot.waiting = [ticket for ticket in lot.waiting if ticket[2] != launch_id]
                heapq.heapify(lot.waiting)
        self._close_empty()

    def _of(self, namespace: str) -> Iterator[_Lot]:
        return (lot for (where, _), lot in self._lots.items() if where == namespace)

    def _forget_out(self, namespace: str, launch_id: UUID) -> None:
        for lot in self._of(namespace):
            lot.out.pop(launch_id, None)
        self._close_empty()

    def _close_empty(self) -> None:
        """Let a namespace be used freely again once nothing waits for it."""
        for key in [key for key, lot in self._lots.items() if not lot.waiting and not lot.out]:
            del self._lots[key]
