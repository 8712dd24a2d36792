"""Keep the last log lines of pods whose task could not save its log itself. Loop thread only.

They are read before the pod is deleted, and told as an event `log`. The kubelet answers, not the
API server, so that an answer may be slow or never come: reading is bounded in time and number, and
holds up nothing but the deletion of its own pod.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.dispatch.hooks import EventKind
from tradewind.dispatch.ledger import Entry
from tradewind.pods import outputs, state
from tradewind.pods.state import PodState

log = logging.getLogger(__name__)

READERS = 4
READ_WITHIN_S = 10.0
WITHIN_S = 30.0
"""The longest that a pod's deletion waits, its turn included."""
MOST_BYTES = 1_048_576


class Launches(Protocol):
    """Who is told; the dispatcher."""

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens."""
        ...


class LastWords:
    """Reads logs of ended pods, a few at a time."""

    def __init__(self, cluster: Cluster, *, launches: Launches) -> None:
        self._cluster = cluster
        self._launches = launches
        self._turns = asyncio.Semaphore(READERS)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    def listen(self, entry: Entry, pod: Pod) -> None:
        """Read ahead where somebody else deletes a pod at work: its log goes with it. Once a pod.

        What is read after its end replaces this, if there is anything to read then.
        """
        if entry.is_overheard or state.of(pod) is not PodState.DELETING:
            return
        entry.is_overheard = True
        if self._group is not None and outputs.containers_with_logs(pod):
            self._group.create_task(self._overhear(entry, pod), name="overhear-log")

    def keep(self, entry: Entry, pod: Pod, *, then: Callable[[], None]) -> None:
        """Tell the pod's last lines, if there are any, and call `then`, which always happens."""
        if self._group is None or not (entry.last_words or outputs.containers_with_logs(pod)):
            then()
            return
        self._group.create_task(self._keep(entry, pod, then), name="keep-log")

    async def _overhear(self, entry: Entry, pod: Pod) -> None:
        text = await self._read(pod)
        if entry.pod is not None and entry.pod.metadata.uid == pod.metadata.uid:
            entry.last_words = text

    async def _keep(self, entry: Entry, pod: Pod, then: Callable[[], None]) -> None:
        try:
            if text := await self._read(pod) or entry.last_words:
                self._launches.note("log", entry, text)
        finally:
            then()

    async def _read(self, pod: Pod) -> str:
        """Return the last lines, or nothing: never raises."""
        where = f"{pod.metadata.namespace}/{pod.metadata.name}"
        try:
            async with asyncio.timeout(WITHIN_S), self._turns, asyncio.timeout(READ_WITHIN_S):
                return await self._last_lines(pod)
        except (ClusterError, OSError) as error:
            log.info("the log of pod %s cannot be kept: %s", where, error or "no answer in time")
        except Exception:
            log.exception("the log of pod %s cannot be kept", where)
        return ""

    async def _last_lines(self, pod: Pod) -> str:
        texts = [
            await self._cluster.read_log(
                pod.metadata.namespace,
                pod.metadata.name,
                container=container,
                tail_lines=outputs.MOST_LINES,
                limit_bytes=MOST_BYTES,
            )
            for container in outputs.containers_with_logs(pod)
        ]
        return outputs.last_lines("\n".join(text for text in texts if text))
