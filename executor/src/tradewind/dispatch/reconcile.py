"""Compare, every minute, the launches we follow with the pods there are. Loop thread only.

The watch tells everything sooner; this loop is what makes a missed event or a blind adoption
harmless. `strays` does the same for pods without a launch.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch import takeover
from tradewind.dispatch.ledger import Entry, Ledger, Phase
from tradewind.pods.causes import Cause, Kind
from tradewind.watch.reflector import Change

log = logging.getLogger(__name__)

GRACE_S = 30.0
"""How long after its create the watch may take to show a pod, and how long lists have to lack the
pod of a launch adopted on trust."""
MOST_GETS = 100

Picture = Callable[[], Sequence[Pod] | None]
"""Returns all pods of ours, or None while nothing is known."""
Step = Callable[[], Awaitable[None]]


class Launches(Protocol):
    """What becomes of a launch that was looked up; the dispatcher."""

    def follow(self, entry: Entry, pod: Pod) -> None:
        """Take `pod` for the adopted launch's."""
        ...

    def on_change(self, change: Change) -> None:
        """Take note of a pod as it is now."""
        ...

    def end(self, entry: Entry, cause: Cause) -> None:
        """Judge the launch by its task instance."""
        ...


class Reconciler:
    """The loop."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Settings,
        ledger: Ledger,
        launches: Launches,
        picture: Picture,
        clock: Clock,
        more: Sequence[Step] = (),
    ) -> None:
        """Take the parts; `more` are steps taken at the end of each pass."""
        self._cluster = cluster
        self._settings = settings
        self._ledger = ledger
        self._launches = launches
        self._picture = picture
        self._clock = clock
        self._steps: tuple[Step, ...] = (self._find_trusted, self._look_for_lost, *more)
        self._wake = asyncio.Event()

    def soon(self) -> None:
        """Begin the next pass now."""
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._pause()
            for step in self._steps:
                try:
                    await step()
                except (ClusterError, OSError) as error:
                    log.warning("reconciling is put off: %s", error)
                except Exception:
                    log.exception("a step of reconciling failed")

    async def _pause(self) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(self._settings.reconcile_interval_s))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleep, wake}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()
        self._wake.clear()

    # -- adopted on trust ------------------------------------------------------------------------

    async def _find_trusted(self) -> None:
        entries = self._ledger.within(Phase.TRUSTED)
        if not entries:
            return
        found = await self._find(entries)
        for entry in entries:
            if not self._ledger.holds(entry) or entry.phase is not Phase.TRUSTED:
                continue
            pod = found.get(str(entry.launch_id))
            if pod is not None:
                self._launches.follow(entry, pod)
                continue
            now_s = self._clock.now_s()
            if entry.missing_since_s is None:
                entry.missing_since_s = now_s
            elif now_s - entry.missing_since_s >= GRACE_S:
                sentence = f"launch {entry.launch_id} has no pod"
                self._launches.end(entry, Cause(Kind.DELETED, sentence))

    async def _find(self, entries: Sequence[Entry]) -> dict[str, Pod]:
        """Return the newest pod of each launch that has any, by launch id."""
        settings = self._settings
        return await takeover.look_up(
            self._cluster,
            {entry.launch_id: entry.task for entry in entries},
            namespaces=settings.watched_namespaces or ("",),
            page_size=settings.list_page_size,
        )

    # -- launches without a pod ------------------------------------------------------------------

    async def _look_for_lost(self) -> None:
        """Ask for each pod that should exist and that the picture does not show."""
        pods = self._picture()
        if pods is None:
            return
        seen = {pod.metadata.uid for pod in pods}
        oldest_s = self._clock.now_s() - GRACE_S
        lost = [
            entry
            for entry in self._ledger.within(Phase.LIVE)
            if entry.live_since_s < oldest_s
            and entry.pod is not None
            and entry.pod.metadata.uid not in seen
        ]
        for entry in lost[:MOST_GETS]:
            await self._look_for(entry, entry.pod)

    async def _look_for(self, entry: Entry, pod: Pod | None) -> None:
        if pod is None or not self._ledger.holds(entry) or entry.phase is not Phase.LIVE:
            return
        namespace, name = pod.metadata.namespace, pod.metadata.name
        try:
            now = await self._cluster.get_pod(namespace, name)
        except ApiError as error:
            if not error.is_not_found:
                raise
        else:
            if now.metadata.uid == pod.metadata.uid:
                self._launches.on_change(Change(pod=now))
                return
        sentence = f"pod {namespace}/{name} is gone and nobody saw it end"
        self._launches.end(entry, Cause(Kind.DELETED, sentence))
