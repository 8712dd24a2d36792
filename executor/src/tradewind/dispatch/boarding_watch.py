"""Look at pods that run and do not ask for their workload, and replace them. Loop thread only.

A worker that hangs before it asks, or whose node lets it ask nobody, would hold its task in
`queued`. Whether it has asked is in the task instance's row: one batched read for all that are due,
once in a launch's life as a rule. While nobody answers where pods board, no pod is to blame.

The row turns a while after the workload was handed over, and on a busy node a long while. So a pod
that is due is marked overdue first, which lets the endpoint refuse it, and deleted only if its row
is still the same once any workload that it already had must have begun. Deleting it at once would
kill a task that is beginning, and use a retry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch.beginnings import has_begun
from tradewind.dispatch.endpoint import Endpoint
from tradewind.dispatch.hooks import ReadFacts
from tradewind.dispatch.ledger import Entry, Ledger, Phase
from tradewind.dispatch.settle import TaskFacts
from tradewind.pods import boarding, causes, labels, state
from tradewind.pods.causes import Cause, Finding, Kind
from tradewind.pods.state import PodState

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
EACH_WAITING_S = 10.0
"""Patience for each other pod that waits: those that start at once share the cores of their nodes,
and to replace one that has almost got there makes all others later. Fifty at once on two cores with
other work took more than two minutes each."""
BEGINS_WITHIN_S = 60.0
"""From the last moment a pod can be handed its workload until its row must have left `queued`:
several times what a node with a load of ten a core needs."""


class Launches(Protocol):
    """What becomes of a pod that does not board; the dispatcher."""

    def replace(self, entry: Entry, pod: Pod, *, cause: Cause) -> None:
        """Delete the pod; once it is gone the launch goes on with the next."""
        ...

    def give_up(self, entry: Entry, *, cause: Cause) -> None:
        """Fail the launch."""
        ...

    def relaunches_left(self, entry: Entry) -> int:
        """Return how many more pods the launch may have."""
        ...


class BoardingWatch:
    """The loop that looks at pods which should have boarded."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        timeout_s: float,
        ledger: Ledger,
        launches: Launches,
        read_facts: ReadFacts,
        endpoint: Endpoint | None,
        clock: Clock,
        threads: Executor,
    ) -> None:
        self._cluster = cluster
        self._timeout_s = timeout_s
        self._ledger = ledger
        self._launches = launches
        self._read_facts = read_facts
        self._endpoint = endpoint
        self._clock = clock
        self._threads = threads
        self._is_down = False
        """Whether nobody answered where pods board when last asked."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            try:
                await self._look()
            except Exception:
                # The database is down, for instance: there is another look.
                log.exception("looking for pods that do not board failed")

    async def _look(self) -> None:
        due = [
            (entry, pod)
            for entry, pod in self._waiting()
            if self._has_waited(entry, self._timeout_s)
        ]
        if not due:
            return
        trouble = ""
        if self._endpoint is not None:
            standing = await self._endpoint.look()
            was_down, self._is_down = self._is_down, standing.is_down
            if was_down and not standing.is_down:
                # They begin to ask anew; from here on it is theirs.
                for entry, _ in due:
                    entry.boards_since_s = self._clock.now_s()
            if was_down or standing.is_down:
                return
            trouble = "" if standing.answers else standing.found
        loop = asyncio.get_running_loop()
        row_ids = [entry.row_id for entry, _ in due]
        facts = await loop.run_in_executor(self._threads, self._read_facts, row_ids)
        waiting = self._still_waiting(due, facts)
        patience_s = self._timeout_s + EACH_WAITING_S * (len(waiting) - 1)
        for entry, pod in waiting:
            if entry.overdue_since_s is None:
                if self._has_waited(entry, patience_s):
                    await self._mark(entry, pod)
            elif self._clock.now_s() - entry.overdue_since_s >= BEGINS_WITHIN_S:
                self._let_go(entry, pod, trouble)

    def _waiting(self) -> list[tuple[Entry, Pod]]:
        return [
            (entry, entry.pod)
            for entry in self._ledger.within(Phase.LIVE)
            if entry.pod is not None
            and entry.reports_itself
            and not entry.has_boarded
            and entry.replaced_since_s is None
            and boarding.hash_of(entry.pod.metadata.labels)
            and state.of(entry.pod) is PodState.RUNNING
        ]

    def _has_waited(self, entry: Entry, seconds: float) -> bool:
        now_s = self._clock.now_s()
        if entry.boards_since_s is None:
            entry.boards_since_s = now_s
        return now_s - entry.boards_since_s >= seconds

    def _still_waiting(
        self, due: Sequence[tuple[Entry, Pod]], facts: Mapping[UUID, TaskFacts]
    ) -> list[tuple[Entry, Pod]]:
        waiting = []
        for entry, pod in due:
            if has_begun(entry, facts.get(entry.row_id)):
                entry.has_boarded = True
            # It may have ended, gone or been revoked while its row was read.
            elif self._ledger.holds(entry) and entry.phase is Phase.LIVE:
                waiting.append((entry, pod))
        return waiting

    async def _mark(self, entry: Entry, pod: Pod) -> None:
        """Let the pod be refused its workload from now on; done again at the next look if lost."""
        metadata = {"uid": pod.metadata.uid, "labels": {labels.OVERDUE: "true"}}
        try:
            await self._cluster.patch_pod(
                pod.metadata.namespace, pod.metadata.name, {"metadata": metadata}
            )
        except (ClusterError, OSError) as error:
            log.warning("pod %s cannot be marked overdue yet: %s", pod.metadata.name, error)
        else:
            entry.overdue_since_s = self._clock.now_s()

    def _let_go(self, entry: Entry, pod: Pod, trouble: str) -> None:
        # It may have ended while another pod was marked.
        if not self._ledger.holds(entry) or entry.phase is not Phase.LIVE:
            return
        cause = self._cause(pod, trouble)
        if self._launches.relaunches_left(entry) > 0:
            self._launches.replace(entry, pod, cause=cause)
        else:
            self._launches.give_up(entry, cause=cause)

    def _cause(self, pod: Pod, trouble: str) -> Cause:
        facts = f"its worker has not fetched its task {self._timeout_s:.0f} s after it began"
        return causes.tell(pod, Finding(Kind.NOT_STARTED, f"{facts}: {trouble}".rstrip(": ")))
