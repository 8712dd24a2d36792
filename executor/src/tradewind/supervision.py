"""Keep the loop thread alive: a loop that died is replaced, and its launches go on in the next.

The loop's parts catch their own errors, so a death is a bug of ours or the end of memory. To
restart the scheduler would stop every team's tasks; a new loop costs one list of pods.
Scheduler's thread only; nothing here waits for the network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

from tradewind.bridge import Bridge
from tradewind.clock import Clock
from tradewind.dispatch.dispatcher import Outcome
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.ledger import Launch

log = logging.getLogger(__name__)

MOST_BACKOFF_S = 60.0
STABLE_AFTER_S = 300.0
"""A loop that lived this long was healthy: the next death is replaced at once again."""


class Loop:
    """A bridge that is replaced when its thread dies."""

    def __init__(self, make_bridge: Callable[[], Bridge], *, clock: Clock) -> None:
        self._make_bridge = make_bridge
        self._clock = clock
        self._bridge: Bridge | None = None
        self._deaths = 0
        self._began_s = 0.0
        self._next_try_s: float | None = None

    def start(self) -> None:
        """Start the loop thread.

        Raises:
            TradewindError: it cannot be, for instance without credentials.

        """
        bridge = self._make_bridge()
        bridge.start()
        self._bridge, self._began_s = bridge, self._clock.now_s()

    def stop(self) -> None:
        """End the loop thread; a no-op when it never started."""
        if self._bridge is not None:
            self._bridge.stop()
            self._bridge = None

    @property
    def is_alive(self) -> bool:
        """Whether commands reach a loop."""
        return self._bridge is not None and self._bridge.is_alive

    def submit(self, launches: Sequence[Launch]) -> None:
        """Queue launches. Without a loop they wait for `revive`, which hands them over."""
        if self._bridge is not None and self.is_alive:
            self._bridge.submit(launches)

    def revoke(self, launch_id: UUID) -> None:
        """Forget a launch and delete its pod; without a loop only the former."""
        if self._bridge is not None and self.is_alive:
            self._bridge.revoke(launch_id)

    def adopt(self, orphans: Sequence[Orphan], *, wait_s: float) -> list[Orphan]:
        """Return the orphans without a pod; without a loop all are trusted to have one."""
        if self._bridge is None or not self.is_alive:
            return []
        return self._bridge.adopt(orphans, wait_s=wait_s)

    def drain(self) -> list[Outcome]:
        """Return the outcomes that arrived since the last call."""
        return [] if self._bridge is None else self._bridge.drain()

    def revive(self, launches: Collection[Launch | Orphan]) -> None:
        """Replace a dead loop, at most once per back-off, and let the next go on with `launches`.

        Never raises. Call it after `drain`: what the dead loop reported is no launch any more.
        """
        if self._bridge is None or self.is_alive:
            return
        now_s = self._clock.now_s()
        if self._next_try_s is None:
            self._note_death(now_s)
        if self._next_try_s is None or now_s < self._next_try_s:
            return
        try:
            self.start()
            self._bridge.resume(list(launches))
        except Exception:
            self._deaths += 1
            self._next_try_s = now_s + _backoff_s(self._deaths)
            log.exception("the loop thread cannot be started; tried again at a later heartbeat")
        else:
            self._next_try_s = None
            log.warning("started a new loop thread, which goes on with %d launches", len(launches))

    def _note_death(self, now_s: float) -> None:
        if now_s - self._began_s >= STABLE_AFTER_S:
            self._deaths = 0
        wait_s = _backoff_s(self._deaths)
        self._deaths += 1
        self._next_try_s = now_s + wait_s
        log.error("the loop thread of the executor died; a new one starts in %.0f s", wait_s)


def _backoff_s(deaths: int) -> float:
    """Return how long to wait after so many deaths in a row before this one."""
    return 0.0 if deaths == 0 else min(MOST_BACKOFF_S, 2.0 ** min(deaths - 1, 10))
