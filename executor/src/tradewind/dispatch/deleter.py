"""Delete pods: each once, a few at a time, again until it worked. Loop thread only."""

from __future__ import annotations

import asyncio
import logging

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy
from tradewind.dispatch.gates.breaker import Breaker
from tradewind.dispatch.stats import Counters

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 1.0


class Deleter:
    """A queue of pods that have to go, drained by a fixed number of workers.

    A pod is deleted by its uid, so that a name which belongs to another pod meanwhile is left
    alone. Nothing is kept on disk: what a killed process did not delete, the reconcile loop of the
    next finds again.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Clock,
        concurrency: int,
        breaker: Breaker,
        counters: Counters,
    ) -> None:
        self._cluster = cluster
        self._clock = clock
        self._concurrency = concurrency
        self._breaker = breaker
        self._counters = counters
        self._queue: asyncio.Queue[tuple[Pod, int]] = asyncio.Queue()
        self._known: set[str] = set()

    def __len__(self) -> int:
        return self._queue.qsize()

    def delete(self, pod: Pod) -> bool:
        """Queue the pod; False when it is queued already, or on its way out."""
        if pod.metadata.deletion_timestamp is not None or pod.metadata.uid in self._known:
            return False
        self._known.add(pod.metadata.uid)
        self._queue.put_nowait((pod, 1))
        return True

    def gone(self, uid: str) -> None:
        """Take note that the pod exists no more."""
        self._known.discard(uid)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._concurrency):
                group.create_task(self._loop(), name=f"delete-{number}")

    async def _loop(self) -> None:
        while True:
            pod, attempt = await self._queue.get()
            while (wait_s := self._breaker.hold_s(self._clock.now_s())) > 0:
                await self._clock.sleep(min(wait_s, _LOOK_AGAIN_S))
            probe = self._breaker.begin()
            metadata = pod.metadata
            try:
                await self._cluster.delete_pod(metadata.namespace, metadata.name, uid=metadata.uid)
            except (ClusterError, OSError) as error:
                self._failed(pod, attempt, error, probe=probe)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("deleting pod %s/%s failed", metadata.namespace, metadata.name)
                self._breaker.cancelled(probe=probe)
                self.gone(metadata.uid)
            else:
                self._breaker.answered()
                self._counters.deleted(metadata.namespace)

    def _failed(
        self, pod: Pod, attempt: int, error: ClusterError | OSError, *, probe: bool
    ) -> None:
        if publish_policy.feedback(error).answered:
            self._breaker.answered()
        else:
            self._breaker.unanswered(self._clock.now_s(), probe=probe)
        retry = publish_policy.decide_delete(error, attempt=attempt)
        if retry is None:
            self.gone(pod.metadata.uid)
            return
        self._counters.failed_call(retry.kind)
        log.warning(
            "deleting pod %s/%s again in %.1f s: %s",
            pod.metadata.namespace,
            pod.metadata.name,
            retry.after_s,
            error,
        )
        self._clock.call_later(retry.after_s, lambda: self._queue.put_nowait((pod, attempt + 1)))
