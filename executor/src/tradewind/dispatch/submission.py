"""From the backlog to a pod: the gates, the create, and what its errors mean. Loop thread only.

The backlog is a heap until the moment of the create, so that a task with a higher priority that
comes later still goes first. A launch that waits (backlog, parked, between two attempts) holds no
slot, so that none holds up another.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy
from tradewind.dispatch.backlog import Backlog
from tradewind.dispatch.gates.gates import Call
from tradewind.dispatch.gates.parking import Parking, Ticket
from tradewind.dispatch.hooks import EventKind
from tradewind.dispatch.informed import Renderer
from tradewind.dispatch.ledger import Entry, Launch, Ledger, Phase
from tradewind.dispatch.pool.claims import Claimed, Claims, Failed, Missed
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


class _Place:
    """A launch's turn at the gates, or as a scout; given back unless a create takes it."""

    def __init__(self, give_back: Callable[[], None], call: Call | None = None) -> None:
        self._give_back: Callable[[], None] | None = give_back
        self.call = call
        """None of a scout: it may claim an idle pod and not create one."""

    def take(self) -> Call:
        """Return the call, which whoever takes it has to end."""
        if self.call is None:
            raise RuntimeError("a scout has no call")
        self._give_back = None
        return self.call

    def leave(self) -> None:
        """Give the place back; a no-op when it was taken or given back."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Submission:
    """The backlog and the creates under way."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        renderer: Renderer,
        ledger: Ledger,
        claims: Claims,
        launches: Launches,
        clock: Clock,
        counters: Counters,
        budget_s: float,
    ) -> None:
        self._cluster = cluster
        self._renderer = renderer
        self._ledger = ledger
        self._claims = claims
        self._gates = claims.gates
        self._launches = launches
        self._clock = clock
        self._counters = counters
        self._budget_s = budget_s
        self._backlog = Backlog(self._is_waiting)
        self._scouts = 0
        """Launches on their way to an idle pod that hold no place at the gates."""
        self.parking = Parking()
        self._group: asyncio.TaskGroup | None = None
        self._wake_s = math.inf

    # -- what waits ------------------------------------------------------------------------------

    def push(self, entry: Entry) -> None:
        """Put the launch into the backlog; a no-op when it is there."""
        if not entry.queued and entry.launch is not None and self._ledger.holds(entry):
            entry.queued, entry.is_parked, entry.phase = True, False, Phase.WAITING
            self._backlog.push(entry.ticket, lane=self._claims.lane_of(entry))
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

    def waits_for_a_start(self) -> bool:
        """Whether a launch waits to start cold."""
        return self._backlog.has_any()

    def parked(self) -> Mapping[str, int]:
        """Return by namespace how many launches wait for its quota."""
        return self.parking.sizes()

    def pump(self) -> None:
        """Begin as many claims and creates as there are pods for and the gates let pass.

        Call it whenever one may have become possible.
        """
        while self._group is not None:
            turns = self._claims.turns(scouts=self._scouts)
            ticket = self._backlog.pop(turns.now) if turns.now else None
            if ticket is not None:
                self._scouts += 1
                self._begin(ticket, _Place(self._return_scout))
                continue
            if not self._backlog.has_any(but=turns.later):
                return
            now_s = self._clock.now_s()
            hold_s = self._gates.hold_s(now_s)
            if hold_s > 0:
                self._wake_in(hold_s, now_s)
                return
            ticket = self._backlog.pop(but=turns.later)
            if ticket is not None:
                call = self._gates.begin(now_s)
                self._begin(ticket, _Place(functools.partial(self._gates.cancelled, call), call))

    def _return_scout(self) -> None:
        self._scouts -= 1

    def _begin(self, ticket: Ticket, place: _Place) -> None:
        entry = self._ledger.get(ticket[2])
        if self._group is None or entry is None or entry.launch is None:
            raise RuntimeError(f"ticket {ticket} of the backlog is no waiting launch's")
        entry.queued, entry.phase = False, Phase.CREATING
        entry.turn += 1
        attempt = self._attempt(entry, entry.launch, place)
        self._group.create_task(attempt, name=f"create-{entry.launch_id}")

    def _is_waiting(self, ticket: Ticket) -> bool:
        entry = self._ledger.get(ticket[2])
        return entry is not None and entry.queued and entry.launch is not None

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

    # -- one attempt -----------------------------------------------------------------------------

    async def _attempt(self, entry: Entry, launch: Launch, place: _Place) -> None:
        """Try once; never raises, so that no launch ends the others' loop."""
        try:
            manifest = await self._rendered(entry, launch)
            if manifest is None or await self._claim(entry, manifest, place):
                return
            if place.call is None:
                self.push(entry)
            elif not self._waits_for_room(entry):
                await self._create(entry, manifest, place.take())
        except Exception as error:
            log.exception("launch %s failed", entry.launch_id)
            # The create may have gone through, for all we know.
            entry.may_have_pod = True
            self._refuse(entry, Cause(Kind.OTHER, f"{type(error).__name__}: {error}"))
        finally:
            place.leave()
            self.pump()

    async def _rendered(self, entry: Entry, launch: Launch) -> Manifest | None:
        """Return the pod to create, or None when it must not be."""
        try:
            manifest = await self._renderer.render(launch, ordinal=entry.ordinal)
        except Exception as error:  # noqa: BLE001 - template, override and hook are user input
            self._refuse(entry, Cause(Kind.INVALID_POD, f"{type(error).__name__}: {error}"))
            return None
        entry.namespace = manifest["metadata"]["namespace"]
        return None if entry.phase is not Phase.CREATING or entry.revoked else manifest

    async def _claim(self, entry: Entry, manifest: Manifest, place: _Place) -> bool:
        """Give the launch an idle pod; False when it needs one of its own."""
        member = self._claims.reserve(entry, manifest)
        if member is None:
            return False
        place.leave()
        self.pump()  # Whoever waits for that place need not wait for the claim.
        match await self._claims.claim(entry, manifest, member):
            case Claimed(pod=pod):
                self._launches.created(entry, pod)
            case Missed() if entry.phase is Phase.CREATING:
                self.push(entry)
            case Failed(cause=cause):
                self._refuse(entry, cause)
            case _ if entry.revoked:
                self._launches.unresolved(entry)
        return True

    def _waits_for_room(self, entry: Entry) -> bool:
        """Park the launch when its namespace is known to have no room; tell whether it is."""
        reason = self.parking.reason_to_wait(entry.namespace, entry.launch_id)
        if reason:
            self.parking.queue(entry.namespace, entry.ticket)
            self._park(entry, reason)
        return bool(reason)

    async def _create(self, entry: Entry, manifest: Manifest, call: Call) -> None:
        missed = self._claims.miss_reason(entry)
        if missed is not None:
            entry.missed = missed
            self._counters.missed(missed)
        entry.attempts += 1
        try:
            pod = await self._cluster.create_pod(entry.namespace, manifest)
        except (ClusterError, OSError) as error:
            self._gates.told(call, publish_policy.feedback(error), self._clock.now_s())
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
