"""The order of launches that wait for a pod: one heap for each way they may get one. Pure.

A launch whose pod was not rendered yet may fit any warm pool; one that was rendered fits the pool
of its shape, or none. Within a lane, and across any choice of lanes, the highest priority goes
first and then the oldest. A launch that left in another way keeps its ticket in its heap; it is
dropped when it comes to the front.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable

from tradewind.dispatch.gates.parking import Ticket

UNKNOWN = "?"
"""Lane of launches whose shape is not known yet."""
COLD = ""
"""Lane of launches that fit no pool."""


class Backlog:
    """Tickets by lane; the lane of a launch that fits a pool is its shape."""

    def __init__(self, is_waiting: Callable[[Ticket], bool]) -> None:
        self._is_waiting = is_waiting
        self._lanes: dict[str, list[Ticket]] = {}

    def push(self, ticket: Ticket, *, lane: str) -> None:
        """Let the launch wait in that lane."""
        heapq.heappush(self._lanes.setdefault(lane, []), ticket)

    def pop(
        self, lanes: Iterable[str] | None = None, *, but: Collection[str] = ()
    ) -> Ticket | None:
        """Take the first launch out of these lanes, or None when none waits; None means all.

        Args:
            lanes: where to look.
            but: lanes to leave alone.

        """
        lane = self._first_lane(lanes, but)
        return None if lane is None else heapq.heappop(self._lanes[lane])

    def has_any(self, lanes: Iterable[str] | None = None, *, but: Collection[str] = ()) -> bool:
        """Whether a launch waits in one of these lanes; None means all."""
        return self._first_lane(lanes, but) is not None

    def _first_lane(self, lanes: Iterable[str] | None, but: Collection[str]) -> str | None:
        found: tuple[Ticket, str] | None = None
        for lane in list(self._lanes if lanes is None else lanes):
            if lane in but:
                continue
            heap = self._lanes.get(lane, [])
            while heap and not self._is_waiting(heap[0]):
                heapq.heappop(heap)
            if not heap:
                self._lanes.pop(lane, None)
            elif found is None or heap[0] < found[0]:
                found = (heap[0], lane)
        return None if found is None else found[1]
