"""Follow callbacks and connection tests whose scheduler died. Loop thread only.

Airflow offers orphaned tasks for adoption, and nothing else: without this the row of a callback
would stay as it was, and its pod with it. That two schedulers may follow the same pod is harmless:
both report the same end, and the second deletion meets nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.dispatch.hooks import Abandoned, ReadAbandoned
from tradewind.dispatch.ledger import Ledger
from tradewind.dispatch.reconcile import Picture
from tradewind.pods import labels
from tradewind.pods.labels import TaskRef

Adopt = Callable[[Hashable, UUID, TaskRef, Pod], None]
"""Called with key, launch id, what the workload is, and its pod."""


class Inheritance:
    """A step of the reconcile loop."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        picture: Picture,
        read: ReadAbandoned | None,
        adopt: Adopt,
        threads: Executor,
    ) -> None:
        self._ledger = ledger
        self._picture = picture
        self._read = read
        self._adopt = adopt
        self._threads = threads

    async def take(self) -> None:
        """Adopt what nobody who lives follows."""
        pods = {
            launch_id: pod
            for pod in self._picture() or ()
            if (launch_id := self._candidate(pod)) is not None
        }
        if not pods or self._read is None:
            return
        asked = [_abandoned(launch_id, pod) for launch_id, pod in pods.items()]
        loop = asyncio.get_running_loop()
        keys = await loop.run_in_executor(self._threads, self._read, asked)
        for one in asked:
            if one.launch_id in keys and self._ledger.get(one.launch_id) is None:
                key = keys[one.launch_id]
                self._adopt(key, one.launch_id, one.workload, pods[one.launch_id])

    def _candidate(self, pod: Pod) -> UUID | None:
        launch_id = labels.launch_id_of(pod.metadata.labels)
        if labels.WORKLOAD not in pod.metadata.labels or launch_id is None:
            return None
        return launch_id if self._ledger.get(launch_id) is None else None


def _abandoned(launch_id: UUID, pod: Pod) -> Abandoned:
    found = pod.metadata.labels
    return Abandoned(
        launch_id=launch_id,
        workload=labels.workload_of(pod.metadata.labels, pod.metadata.annotations),
        scheduler=found.get("airflow-worker", ""),
    )
