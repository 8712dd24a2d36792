"""Pods that no launch of this process has: whose task is done with them, they go. Loop thread only.

A killed scheduler leaves pods that ended but were not deleted yet; users ask for failed pods to be
kept for a while. Deleted is only what a row of the database proves to be done with, or what was
kept for longer than asked: age alone proves nothing, and another scheduler may own the pod.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import datetime
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.hooks import ReadStrays, Stray
from tradewind.dispatch.ledger import Ledger
from tradewind.dispatch.reconcile import Picture
from tradewind.dispatch.settle import TaskFacts, is_kept
from tradewind.dispatch.stats import Counters
from tradewind.pods import labels, state
from tradewind.pods.state import PodState

log = logging.getLogger(__name__)

MOST_STRAYS = 500
ENDED_GRACE_S = 30.0
"""Its own scheduler deletes an ended pod within this time, and needs no help."""
RUNNING_GRACE_S = 600.0
"""How long a pod may go on after its task was done with: it still uploads logs."""
_LIVE_STATES = frozenset({"queued", "running", "restarting"})


def is_done_with(pod: Pod, facts: TaskFacts | None) -> bool:
    """Whether the row proves that nobody waits for the stray pod any more."""
    if facts is None:
        return False
    launch_id = labels.launch_id_of(pod.metadata.labels)
    return facts.launch_id != launch_id or facts.state not in _LIVE_STATES


def ended_at_s(pod: Pod) -> float | None:
    """Return when the pod's base container ended, in seconds since 1970; None when unknown."""
    end = state.ended(pod)
    text = (end and end.finished_at) or pod.metadata.creation_timestamp
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return None


class Strays:
    """The steps of the reconcile loop that look at pods without a launch."""

    def __init__(
        self,
        *,
        settings: Settings,
        ledger: Ledger,
        deleter: Deleter,
        picture: Picture,
        read: ReadStrays | None,
        clock: Clock,
        threads: Executor,
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._deleter = deleter
        self._picture = picture
        self._read = read
        self._clock = clock
        self._threads = threads
        self._counters = counters
        self._done_since_s: dict[str, float] = {}
        """By uid, when a stray was first proven to be done with."""

    async def remove(self) -> None:
        """Delete pods that no launch of ours has and whose rows are done with them."""
        pods = self._picture()
        if pods is None or self._read is None:
            return
        strays = [
            (launch_id, pod)
            for pod in pods
            if (launch_id := self._unclaimed(pod)) is not None
            and pod.metadata.deletion_timestamp is None
            and not self._is_kept(pod)
        ][:MOST_STRAYS]
        if not strays:
            self._done_since_s.clear()
            return
        loop = asyncio.get_running_loop()
        asked = [
            Stray(launch_id=launch_id, task=labels.task_of(pod.metadata.annotations))
            for launch_id, pod in strays
        ]
        facts = await loop.run_in_executor(self._threads, self._read, asked)
        done = [pod for launch_id, pod in strays if is_done_with(pod, facts.get(launch_id))]
        self._delete_what_stays_done(done)

    def _unclaimed(self, pod: Pod) -> UUID | None:
        """Return the pod's launch, if it is of this Airflow and no launch that we follow."""
        launch_id = labels.launch_id_of(pod.metadata.labels)
        if launch_id is None or self._ledger.get(launch_id) is not None:
            return None
        # Our rows say nothing about the pods of another Airflow.
        ours = pod.metadata.labels.get(labels.INSTALLATION, "") == self._settings.installation
        return launch_id if ours else None

    def _is_kept(self, pod: Pod) -> bool:
        where = state.of(pod)
        return where.has_ended and is_kept(self._settings, failed=where is PodState.FAILED)

    def _delete_what_stays_done(self, done: Sequence[Pod]) -> None:
        """Delete what was done with a pass ago too: its own scheduler deletes it sooner."""
        now_s = self._clock.now_s()
        before = self._done_since_s
        self._done_since_s = {pod.metadata.uid: before.get(pod.metadata.uid, now_s) for pod in done}
        for pod in done:
            waited_s = now_s - self._done_since_s[pod.metadata.uid]
            grace_s = ENDED_GRACE_S if state.of(pod).has_ended else RUNNING_GRACE_S
            if waited_s >= grace_s and self._deleter.delete(pod):
                self._counters.strays_deleted += 1
                log.info(
                    "deleting pod %s/%s: its task is done with it",
                    pod.metadata.namespace,
                    pod.metadata.name,
                )

    async def expire(self) -> None:
        """Delete pods that were kept for longer than `kept_pod_ttl`."""
        ttl_s = self._settings.kept_pod_ttl_s
        for pod in (self._picture() or ()) if ttl_s else ():
            if self._unclaimed(pod) is None or not state.of(pod).has_ended:
                continue
            since_s = ended_at_s(pod)
            if since_s is not None and self._clock.utc_s() - since_s >= ttl_s:
                self._deleter.delete(pod)
