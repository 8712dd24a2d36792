"""From the backlog to a pod: the gates, the create, and what its errors mean. Loop thread only.

The backlog is a heap until the moment of the create, so that a task with a higher priority that
comes later still goes first. A launch that waits (backlog, parked, between two attempts) holds no
slot, so that none holds up another.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Iterable
from typing import Protocol

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy
from tradewind.dispatch.gates.gates import Call, Gates
from tradewind.dispatch.gates.parking import Parking, Ticket
from tradewind.dispatch.hooks import EventKind
from tradewind.dispatch.ledger import Entry, Launch, Ledger, Phase
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.stats import Counters
from tradewind.pods import labels, not_created
from tradewind.pods.causes import Cause, Kind
from tradewind.pods.template import Manifest

log = logging.getLogger(__name__)

_TICK_S = 1.0


class Launches(Protocol):
    """What becomes of a create; the dispatcher."""

    def created(self, entry: Entry, pod: Pod) -> None:
        """Follow the pod, which exists."""
        ...

    def refused(self, entry: Entry, *, cause: Cause) -> None:
        """Fail the launch."""
        ...

    def end(self, entry: Entry, cause: Cause) -> None:
        """Judge the launch by its task instance: its pod has come and gone unseen."""
        ...

    def unresolved(self, entry: Entry) -> None:
        """Look for a pod of a revoked launch: the answer to its create was lost."""
        ...

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens."""
        ...


class Submission:
    """The backlog and the creates under way."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        renderer: Renderer,
        ledger: Ledger,
        gates: Gates,
        launches: Launches,
        clock: Clock,
        counters: Counters,
        budget_s: float,
    ) -> None:
        self._cluster = cluster
        self._renderer = renderer
        self._ledger = ledger
        self._gates = gates
        self._launches = launches
        self._clock = clock
        self._counters = counters
        self._budget_s = budget_s
        self._backlog: list[Ticket] = []
        self.parking = Parking()
        self._group: asyncio.TaskGroup | None = None
        self._wake_s = math.inf

    # -- what waits ------------------------------------------------------------------------------

    def push(self, entry: Entry) -> None:
        """Put the launch into the backlog; a no-op when it is there."""
        if not entry.queued and entry.launch is not None and self._ledger.holds(entry):
            entry.queued, entry.is_parked, entry.phase = True, False, Phase.WAITING
            heapq.heappush(self._backlog, entry.ticket)
            self.pump()

    def push_later(self, entry: Entry, after_s: float) -> None:
        """Put the launch into the backlog after a while, unless something happens to it first."""
        entry.phase = Phase.WAITING
        entry.turn += 1
        turn = entry.turn

        def push() -> None:
            if entry.turn == turn and entry.phase is Phase.WAITING:
                self.push(entry)

        self._clock.call_later(after_s, push)

    def forget(self, entry: Entry) -> None:
        """Take the launch out, wherever it waits."""
        entry.queued = False
        entry.turn += 1
        if entry.is_parked:
            entry.is_parked = False
            self.parking.drop(entry.launch_id)
        elif entry.namespace:
            self._push_all(self.parking.left(entry.namespace, entry.launch_id))

    def room_in(self, namespace: str) -> None:
        """Take note that a pod of the namespace ended or went."""
        self._push_all(self.parking.freed(namespace))

    def pump(self) -> None:
        """Begin as many creates as the gates let pass. Call it whenever one may have opened."""
        while self._group is not None and self._backlog:
            entry = self._ledger.get(self._backlog[0][2])
            if entry is None or not entry.queued or entry.launch is None:
                heapq.heappop(self._backlog)
                continue
            now_s = self._clock.now_s()
            hold_s = self._gates.hold_s(now_s)
            if hold_s > 0:
                self._wake_in(hold_s, now_s)
                return
            heapq.heappop(self._backlog)
            entry.queued, entry.phase = False, Phase.CREATING
            entry.turn += 1
            call = self._gates.begin(now_s)
            self._group.create_task(
                self._attempt(entry, entry.launch, call), name=f"create-{entry.launch_id}"
            )

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                while True:
                    self._push_all(self.parking.ticked(self._clock.now_s()))
                    self.pump()
                    await self._clock.sleep(_TICK_S)
            finally:
                self._group = None

    def _push_all(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            entry = self._ledger.get(ticket[2])
            if entry is not None and entry.phase is Phase.WAITING:
                self.push(entry)

    def _wake_in(self, wait_s: float, now_s: float) -> None:
        if math.isinf(wait_s) or now_s + wait_s >= self._wake_s:
            return
        self._wake_s = now_s + wait_s
        self._clock.call_later(wait_s, self._woken)

    def _woken(self) -> None:
        self._wake_s = math.inf
        self.pump()

    # -- one create ------------------------------------------------------------------------------

    async def _attempt(self, entry: Entry, launch: Launch, call: Call) -> None:
        """Try once; never raises, so that no launch ends the others' loop."""
        try:
            manifest = await self._rendered(entry, launch, call)
            if manifest is not None:
                await self._create(entry, manifest, call)
        except Exception as error:
            log.exception("launch %s failed", entry.launch_id)
            # The create may have gone through, for all we know.
            entry.may_have_pod = True
            self._refuse(entry, Cause(Kind.OTHER, f"{type(error).__name__}: {error}"))
        finally:
            self.pump()

    async def _rendered(self, entry: Entry, launch: Launch, call: Call) -> Manifest | None:
        """Return the pod to create, or None when it must not be, or not now."""
        try:
            manifest = await self._renderer.render(launch, ordinal=entry.ordinal)
        except Exception as error:  # noqa: BLE001 - template, override and hook are user input
            self._gates.cancelled(call)
            self._refuse(entry, Cause(Kind.INVALID_POD, f"{type(error).__name__}: {error}"))
            return None
        entry.namespace = manifest["metadata"]["namespace"]
        if entry.phase is not Phase.CREATING or entry.revoked:
            self._gates.cancelled(call)
            return None
        reason = self.parking.reason_to_wait(entry.namespace, entry.launch_id)
        if reason:
            self._gates.cancelled(call)
            self.parking.queue(entry.namespace, entry.ticket)
            self._park(entry, reason)
            return None
        return manifest

    async def _create(self, entry: Entry, manifest: Manifest, call: Call) -> None:
        entry.attempts += 1
        try:
            pod = await self._cluster.create_pod(entry.namespace, manifest)
        except (ClusterError, OSError) as error:
            self._tell_gates(call, error)
            self._counters.failed_call(not_created.word_of(error))
            if entry.revoked:
                self._launches.unresolved(entry)
            # Otherwise the answer was lost, but the watch has shown the pod meanwhile.
            elif entry.phase is Phase.CREATING:
                await self._decide(entry, manifest["metadata"]["name"], error)
        except BaseException:
            self._gates.cancelled(call)
            raise
        else:
            self._gates.answered(call, self._clock.now_s())
            waited_s = self._clock.now_s() - entry.since_s
            self._counters.created(entry.namespace, waited_s=waited_s)
            self._launches.created(entry, pod)
            self._push_all(self.parking.created(entry.namespace, entry.launch_id))

    def _tell_gates(self, call: Call, error: ClusterError | OSError) -> None:
        now_s = self._clock.now_s()
        said = publish_policy.feedback(error)
        if not said.answered:
            self._gates.unanswered(call, now_s)
        elif said.overloaded:
            self._gates.pushed_back(call, now_s, pause_s=said.pause_s)
        else:
            self._gates.answered(call, now_s)

    async def _decide(self, entry: Entry, name: str, error: ClusterError | OSError) -> None:
        now_s = self._clock.now_s()
        if entry.troubled_since_s is None:
            entry.troubled_since_s = now_s
        if not isinstance(error, ApiError) or error.retryable:
            entry.may_have_pod = True
        decision = publish_policy.decide_create(
            error,
            attempt=entry.attempts,
            troubled_s=now_s - entry.troubled_since_s,
            budget_s=self._budget_s,
        )
        if isinstance(decision, publish_policy.Park):
            self.parking.refused(
                entry.namespace,
                entry.ticket,
                reason=decision.reason,
                demand=decision.demand,
                now_s=now_s,
            )
            self._park(entry, decision.reason)
            return
        self._push_all(self.parking.left(entry.namespace, entry.launch_id))
        match decision:
            case publish_policy.Fail(cause=cause):
                self._refuse(entry, cause)
            case publish_policy.Retry(after_s=after_s, alarm=alarm):
                level = logging.ERROR if alarm else logging.WARNING
                pod = f"{entry.namespace}/{name}"
                log.log(level, "pod %s again in %.1f s: %s", pod, after_s, alarm or error)
                self.push_later(entry, after_s)
            case publish_policy.LookUp():
                await self._look_up(entry, name)

    def _park(self, entry: Entry, reason: str) -> None:
        # Waiting for room is no trouble: neither back-off nor budget goes on meanwhile.
        entry.phase, entry.attempts, entry.troubled_since_s = Phase.WAITING, 0, None
        entry.is_parked = True
        entry.turn += 1
        self._launches.note("parked", entry, f"namespace {entry.namespace}: {reason}")

    def _refuse(self, entry: Entry, cause: Cause) -> None:
        if entry.phase is Phase.CREATING and not entry.revoked:
            self._launches.refused(entry, cause=cause)

    async def _look_up(self, entry: Entry, name: str) -> None:
        """Tell our own earlier create, whose answer was lost, from a foreign pod of that name."""
        try:
            pod = await self._cluster.get_pod(entry.namespace, name)
        except (ClusterError, OSError) as error:
            if entry.revoked:
                self._launches.unresolved(entry)
            elif entry.phase is not Phase.CREATING:
                return
            elif isinstance(error, ApiError) and error.is_not_found:
                sentence = f"pod {entry.namespace}/{name} came and went"
                self._launches.end(entry, Cause(Kind.DELETED, sentence))
            else:
                self.push_later(entry, publish_policy.FIRST_BACKOFF_S)
            return
        if labels.launch_id_of(pod.metadata.labels) == entry.launch_id:
            self._launches.created(entry, pod)
        elif entry.phase is Phase.CREATING and not entry.revoked:
            log.warning("pod name %s/%s is taken by another, using the next", entry.namespace, name)
            entry.next_pod()
            self.push(entry)
