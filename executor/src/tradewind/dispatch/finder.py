"""The end of pods that nobody wants any more, seen or not. Loop thread only."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.paging import pods_of
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy
from tradewind.dispatch.deleter import Deleter
from tradewind.pods import labels

log = logging.getLogger(__name__)

BANNED_FOR_S = 3600.0
"""A create that was under way when its launch was revoked has shown its pod long before."""
_TRIES = 20


class Banisher:
    """Launches whose pods have to go as soon as anybody sees them.

    A launch is revoked in whatever state it is: with a create under way, with a create whose
    answer was lost, or adopted by nobody. So it is banned first, and pods of banned launches are
    deleted on sight; where a pod may exist that the watch does not show yet, it is looked for.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        deleter: Deleter,
        clock: Clock,
        namespaces: Sequence[str],
        page_size: int,
    ) -> None:
        self._cluster = cluster
        self._deleter = deleter
        self._clock = clock
        self._namespaces = namespaces
        self._page_size = page_size
        self._banned: dict[UUID, float] = {}
        self._wanted: asyncio.Queue[UUID] = asyncio.Queue()

    def ban(self, launch_id: UUID) -> None:
        """Let every pod of the launch go that shows up from now on."""
        now_s = self._clock.now_s()
        self._banned.pop(launch_id, None)
        self._banned[launch_id] = now_s
        oldest, since_s = next(iter(self._banned.items()))
        if since_s < now_s - BANNED_FOR_S:
            del self._banned[oldest]

    def allow(self, launch_id: UUID) -> None:
        """Lift the ban: the launch was submitted anew."""
        self._banned.pop(launch_id, None)

    def saw(self, launch_id: UUID, pod: Pod) -> None:
        """Delete the pod if its launch is banned."""
        if self._banned.get(launch_id, -math.inf) >= self._clock.now_s() - BANNED_FOR_S:
            self._deleter.delete(pod)

    def search(self, launch_id: UUID) -> None:
        """Look for pods of the banned launch that nobody has seen."""
        self._wanted.put_nowait(launch_id)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            launch_id = await self._wanted.get()
            try:
                await self._find_and_delete(launch_id)
            except Exception:
                log.exception("looking for pods of revoked launch %s failed", launch_id)

    async def _find_and_delete(self, launch_id: UUID) -> None:
        for attempt in range(1, _TRIES + 1):
            if launch_id not in self._banned:
                return
            try:
                pods = await pods_of(
                    self._cluster,
                    selector=f"{labels.LAUNCH_ID}={launch_id}",
                    namespaces=self._namespaces,
                    page_size=self._page_size,
                )
            except (ClusterError, OSError) as error:
                retry = publish_policy.decide_delete(error, attempt=attempt)
                await self._clock.sleep(
                    publish_policy.MOST_BACKOFF_S if retry is None else retry.after_s
                )
                continue
            for pod in pods:
                self.saw(launch_id, pod)
            return
        log.error(
            "gave up looking for pods of revoked launch %s: the watch may show them", launch_id
        )
