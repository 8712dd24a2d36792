"""The pods that may ask, and the requests that wait for one of them to be claimed.

One request is held for a pod at a time, the newest: an older one is answered at once, so that a
worker that gave up a connection does not wait for it. Loop thread only.
"""

from __future__ import annotations

import asyncio
from typing import Literal, TypeAlias

from tradewind import metrics
from tradewind.boarding.claims import Identity
from tradewind.boarding.standing import Claimed, Idle, standing_of
from tradewind.client.models import Metadata
from tradewind.clock import Clock
from tradewind.metrics import UNMEASURED, Metrics
from tradewind.watch.reflector import Change, is_newer

Woken: TypeAlias = Literal["changed", "replaced", "expired"]
_Held: TypeAlias = tuple[Identity, asyncio.Future[Woken]]

MOST_HELD = 2_000
"""Requests of different pods held in one process; each costs some 60 KB of memory."""


class Picture:
    """Pods by uid, as the watches show them."""

    def __init__(self, *, clock: Clock, measured: Metrics = UNMEASURED) -> None:
        self._clock = clock
        self._measured = measured
        self._pods: dict[str, Metadata] = {}
        self._held: dict[str, _Held] = {}

    @property
    def held(self) -> int:
        """How many requests wait."""
        return len(self._held)

    @property
    def is_full(self) -> bool:
        """Whether no request of another pod may wait."""
        return len(self._held) >= MOST_HELD

    def pod(self, uid: str) -> Metadata | None:
        """Return the pod's metadata, or None where the watches do not show it."""
        return self._pods.get(uid)

    def on_change(self, change: Change) -> None:
        """Take the news of a watch; wake the pod's request when it is about to be answered."""
        metadata = change.pod.metadata
        self.on_look(metadata.uid, None if change.gone else metadata)

    def on_look(self, uid: str, metadata: Metadata | None) -> None:
        """Take a pod as it is now, None when it is gone; older news than we have are dropped."""
        before = self._pods.get(uid)
        if metadata is None:
            self._pods.pop(uid, None)
        elif before is None or is_newer(metadata, before):
            self._pods[uid] = metadata
            self._measure(before, metadata)
        else:
            return
        if metadata is None or not isinstance(standing_of(metadata), Idle):
            self._wake(uid, "changed")

    def holds(self, uid: str) -> bool:
        """Return whether a request of that pod waits."""
        return uid in self._held

    def waiting(self) -> list[Identity]:
        """Return the pods whose requests wait."""
        return [identity for identity, _ in self._held.values()]

    async def hold(self, identity: Identity, *, seconds: float) -> Woken:
        """Wait until the pod changed, another request of it came, or the time is over."""
        uid = identity.pod_uid
        self._wake(uid, "replaced")
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[Woken] = loop.create_future()
        held = self._held[uid] = (identity, woken)
        timer = loop.call_later(seconds, _settle, woken, "expired")
        try:
            return await woken
        finally:
            timer.cancel()
            if self._held.get(uid) is held:
                del self._held[uid]

    def _wake(self, uid: str, why: Woken) -> None:
        held = self._held.get(uid)
        if held is not None:
            _settle(held[1], why)

    def _measure(self, before: Metadata | None, now: Metadata) -> None:
        """Measure how long a claim took to get here, of a pod that we saw idle before."""
        if before is None or not isinstance(standing_of(before), Idle):
            return
        standing = standing_of(now)
        if isinstance(standing, Claimed) and standing.claimed_s is not None:
            lag_s = max(0.0, self._clock.utc_s() - standing.claimed_s)
            self._measured.timing(metrics.WATCH_LAG, lag_s)


def _settle(woken: asyncio.Future[Woken], why: Woken) -> None:
    if not woken.done():
        woken.set_result(why)
