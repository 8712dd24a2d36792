"""Delete pods: each once, a few at a time, again until it worked. Loop thread only."""

from __future__ import annotations

import asyncio
import logging

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy

log = logging.getLogger(__name__)


class Deleter:
    """A queue of pods that have to go, drained by a fixed number of workers."""

    def __init__(self, cluster: Cluster, *, clock: Clock, concurrency: int) -> None:
        self._cluster = cluster
        self._clock = clock
        self._concurrency = concurrency
        self._queue: asyncio.Queue[tuple[Pod, int]] = asyncio.Queue()
        self._known: set[str] = set()

    def delete(self, pod: Pod) -> None:
        """Queue the pod; a pod that is queued already, or on its way out, is left alone."""
        if pod.metadata.deletion_timestamp is None and pod.metadata.uid not in self._known:
            self._known.add(pod.metadata.uid)
            self._queue.put_nowait((pod, 1))

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._concurrency):
                group.create_task(self._loop(), name=f"delete-{number}")

    async def _loop(self) -> None:
        while True:
            pod, attempt = await self._queue.get()
            metadata = pod.metadata
            try:
                await self._cluster.delete_pod(metadata.namespace, metadata.name, uid=metadata.uid)
            except ClusterError as error:
                self._again(pod, attempt, error)
            else:
                self._known.discard(metadata.uid)

    def _again(self, pod: Pod, attempt: int, error: ClusterError) -> None:
        retry = publish_policy.decide_delete(error, attempt=attempt)
        if retry is None:
            self._known.discard(pod.metadata.uid)
            return
        log.warning("deleting pod %s again in %.1f s: %s", pod.metadata.name, retry.after_s, error)
        asyncio.get_running_loop().call_later(
            retry.after_s, self._queue.put_nowait, (pod, attempt + 1)
        )
