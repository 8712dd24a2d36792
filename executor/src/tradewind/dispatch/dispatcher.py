"""Turn launches into pods and pods' ends into outcomes.

Everything here runs on the loop thread. A launch passes: backlog -> gates -> create (`submission`)
-> watch -> judged by the task instance's row (`ends`) -> outcome, and its pod is deleted once
(`deleter`). This module owns the steps between them. Invariants: at most one live pod per launch,
an outcome per launch exactly once, no error of one launch reaches another.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from dataclasses import dataclass
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch.beginnings import Beginnings
from tradewind.dispatch.boarding_watch import BoardingWatch
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.ends import Ends
from tradewind.dispatch.finder import Banisher
from tradewind.dispatch.gates.breaker import Breaker
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.hooks import EventKind, Hooks, LaunchRef, ReadFacts
from tradewind.dispatch.informed import InformedRenderer
from tradewind.dispatch.last_words import LastWords
from tradewind.dispatch.ledger import Entry, Launch, Ledger, Phase
from tradewind.dispatch.pending import PendingWatch
from tradewind.dispatch.pool.pools import Pools
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import Verdict
from tradewind.dispatch.settlement import Settlement
from tradewind.dispatch.stats import Counters, Stats, snapshot
from tradewind.dispatch.submission import Submission
from tradewind.pods import diagnosis, labels, state
from tradewind.pods.causes import Cause
from tradewind.pods.labels import TaskRef
from tradewind.pods.state import PodState
from tradewind.watch.reflector import Change, Listing

log = logging.getLogger(__name__)

_TERMINAL = frozenset({"Succeeded", "Failed"})
GAUGES_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a launch, for the scheduler's thread."""

    key: Hashable
    launch_id: UUID
    verdict: Verdict
    reason: str


class Dispatcher:
    """The state machine of all launches of one executor."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Settings,
        renderer: Renderer,
        read_facts: ReadFacts,
        emit: Callable[[Outcome], None],
        clock: Clock,
        threads: Executor,
        hooks: Hooks,
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._hooks = hooks
        self._age = itertools.count()
        self.ledger = Ledger()
        self.counters = Counters(measured=hooks.measured)
        breaker = Breaker(rng=hooks.rng)
        self._gates = Gates(
            most_in_flight=settings.create_concurrency,
            max_pending=settings.max_pending_pods,
            max_starting=settings.max_starting_pods,
            breaker=breaker,
            rng=hooks.rng,
        )
        self.deleter = Deleter(
            cluster,
            clock=clock,
            concurrency=settings.delete_concurrency,
            breaker=breaker,
            counters=self.counters,
        )
        self._banisher = Banisher(
            cluster,
            deleter=self.deleter,
            clock=clock,
            namespaces=settings.watched_namespaces or ("",),
            page_size=settings.list_page_size,
        )
        self.pools = Pools(
            cluster,
            settings=settings,
            renderer=renderer,
            gates=self._gates,
            deleter=self.deleter,
            clock=clock,
            counters=self.counters,
            hooks=hooks,
        )
        self._submission = Submission(
            cluster,
            renderer=InformedRenderer(
                renderer, records=hooks.records, settings=settings, threads=threads
            ),
            ledger=self.ledger,
            claims=self.pools.claims,
            launches=self,
            clock=clock,
            counters=self.counters,
            budget_s=settings.launch_budget_s,
        )
        self.pools.serve(self._submission, tell=self.on_change, threads=threads)
        self._last_words = LastWords(cluster, launches=self)
        self._ends = Ends(
            settings=settings,
            settlement=Settlement(
                ledger=self.ledger, read_facts=read_facts, clock=clock, threads=threads
            ),
            submission=self._submission,
            deleter=self.deleter,
            last_words=self._last_words,
            launches=self,
            clock=clock,
            counters=self.counters,
        )
        self._pending = PendingWatch(ledger=self.ledger, launches=self, clock=clock, hooks=hooks)
        self._beginnings = Beginnings(
            starts=self._gates.starts,
            ledger=self.ledger,
            waiting=self._submission,
            read_facts=read_facts,
            clock=clock,
            threads=threads,
        )
        self._boarding = BoardingWatch(
            cluster,
            timeout_s=settings.boarding_timeout_s,
            ledger=self.ledger,
            launches=self,
            read_facts=read_facts,
            endpoint=hooks.endpoint,
            clock=clock,
            threads=threads,
        )

    async def run(self) -> None:
        """Run until cancelled."""
        parts = (self._submission, self.pools, self._ends, self._last_words, self._pending)
        more = (self._beginnings, self._boarding, self.deleter, self._banisher)
        async with asyncio.TaskGroup() as group:
            for part in (*parts, *more):
                group.create_task(part.run(), name=type(part).__name__)
            group.create_task(self._show(), name="gauges")

    # -- commands of the scheduler's thread, already on the loop thread -------------------------

    def submit(self, launch: Launch) -> None:
        """Queue a launch for its pod; a launch that is known already is left alone."""
        entry = Entry(
            key=launch.key,
            launch_id=launch.launch_id,
            row_id=launch.row_id,
            launch=launch,
            task=launch.task,
            phase=Phase.WAITING,
            age=next(self._age),
            since_s=self._clock.now_s(),
        )
        if self.ledger.add(entry):
            self.counters.taken()
            self._banisher.allow(launch.launch_id)
            self._submission.push(entry)

    def adopt(
        self,
        key: Hashable,
        launch_id: UUID,
        *,
        row_id: UUID,
        pod: Pod | None,
        launch: Launch | None = None,
        task: TaskRef | None = None,
    ) -> None:
        """Follow a launch that another loop began; `pod` None trusts that it has one.

        `launch` is known when that loop was an earlier one of this process.
        """
        entry = Entry(
            key=key,
            launch_id=launch_id,
            row_id=row_id,
            launch=launch,
            task=task,
            phase=Phase.TRUSTED,
            age=next(self._age),
        )
        if self.ledger.add(entry):
            self._banisher.allow(launch_id)
            if pod is not None:
                self.follow(entry, pod)

    def revoke(self, launch_id: UUID) -> None:
        """Forget the launch, report nothing, let no pod of it stay."""
        self._banisher.ban(launch_id)
        entry = self.ledger.get(launch_id)
        if entry is None:
            self._banisher.search(launch_id)
            return
        phase, entry.revoked = entry.phase, True
        self._drop(entry)
        self.note("revoked", entry, "the scheduler took the task back")
        if entry.pod is not None:
            self.deleter.delete(entry.pod)
        elif phase is Phase.TRUSTED or entry.may_have_pod:
            self._banisher.search(launch_id)
        # A create under way brings its pod, or calls `unresolved`. Without any there is no pod.

    @property
    def has_trusted(self) -> bool:
        """Whether a launch was adopted whose pod has not been found yet."""
        return bool(self.ledger.within(Phase.TRUSTED))

    def stats(self) -> Stats:
        """Return the figures of this moment."""
        return snapshot(
            self.ledger,
            gates=self._gates,
            parking=self._submission.parking,
            deletes_queued=len(self.deleter),
            counters=self.counters,
        )

    # -- what the watch says ---------------------------------------------------------------------

    def on_change(self, change: Change) -> None:
        """Follow one change of one pod; pods of other owners are none of ours."""
        pod = change.pod
        if change.gone:
            self.deleter.gone(pod.metadata.uid)
        if change.gone != (pod.status.phase in _TERMINAL):
            # Once per pod: a quota stops counting it when its phase is terminal, or when it goes.
            self._submission.room_in(pod.metadata.namespace)
        launch_id = labels.launch_id_of(pod.metadata.labels)
        if launch_id is None:
            return
        self.pools.saw_launch(pod)
        entry = self.ledger.get(launch_id)
        if entry is None and not change.gone:
            self._banisher.saw(launch_id, pod)
        elif (
            entry is not None
            and entry.phase is not Phase.TRUSTED
            and self._is_present(entry, change)
        ):
            self._go_on(entry, change)

    def on_listed(self, listing: Listing) -> None:
        """Settle live launches whose pod a complete list of its namespace does not show."""
        for entry in self.ledger.within(Phase.LIVE):
            pod = entry.pod
            if pod is None or listing.namespace not in {"", pod.metadata.namespace}:
                continue
            if entry.live_since_s < listing.began_s and pod.metadata.uid not in listing.uids:
                self.end(entry, diagnosis.deleted(pod, seen=False))

    def _is_present(self, entry: Entry, change: Change) -> bool:
        """Whether the pod is the launch's present one; an earlier one must not live beside it."""
        pod = change.pod
        ordinal = labels.ordinal_of(pod.metadata.labels)
        if ordinal == entry.ordinal:
            return True
        if entry.launch is None:
            return ordinal > entry.ordinal
        if ordinal < entry.ordinal and not (change.gone or state.of(pod).has_ended):
            self.deleter.delete(pod)
        return False

    def _go_on(self, entry: Entry, change: Change) -> None:
        if entry.phase is Phase.SETTLING:
            return
        pod = change.pod
        if entry.phase is not Phase.LIVE:
            # The watch was quicker than the answer to the create, or the answer was lost.
            self._submission.forget(entry)
            entry.live_since_s = self._clock.now_s()
        entry.pod, entry.phase = pod, Phase.LIVE
        entry.ordinal = labels.ordinal_of(pod.metadata.labels)
        now_s = self._clock.now_s()
        is_begun = entry.has_boarded or not entry.reports_itself
        self._gates.saw(entry.launch_id, pod, now_s, is_begun=is_begun)
        self.counters.saw(entry, pod, now_s)
        self._last_words.listen(entry, pod)
        match state.of(pod):
            case PodState.SUCCEEDED:
                self.end(entry, diagnosis.explain(pod), ended_well=True)
            case PodState.FAILED:
                self.end(entry, diagnosis.explain(pod))
            case _ if change.gone:
                self.end(entry, diagnosis.deleted(pod))
            case PodState.RUNNING if not (entry.announced or entry.reports_itself):
                entry.announced = True
                self._report(entry, Verdict.RUNNING, "")
        self._submission.pump()

    async def _show(self) -> None:
        while True:
            self.counters.show(self.stats())
            await self._clock.sleep(GAUGES_EVERY_S)

    # -- steps that the parts ask for ------------------------------------------------------------

    def follow(self, entry: Entry, pod: Pod) -> None:
        """Take `pod` for the adopted launch's."""
        entry.phase, entry.live_since_s = Phase.LIVE, self._clock.now_s()
        self._go_on(entry, Change(pod=pod))

    def created(self, entry: Entry, pod: Pod) -> None:
        """Follow the pod that the create made, or that a lost one had made."""
        if entry.revoked:
            self.deleter.delete(pod)
        elif entry.phase is Phase.CREATING:
            self._go_on(entry, Change(pod=pod))

    def refused(self, entry: Entry, *, cause: Cause) -> None:
        """Fail the launch: no pod could be created."""
        if not self.ledger.holds(entry):
            return
        if entry.may_have_pod:
            self._banisher.ban(entry.launch_id)
            self._banisher.search(entry.launch_id)
        self.note("refused", entry, cause.sentence)
        self.finish(entry, Verdict.FAILED, cause.sentence)

    def unresolved(self, entry: Entry) -> None:
        """Look for a pod of a revoked launch: the answer to its create was lost."""
        self._banisher.search(entry.launch_id)

    def end(self, entry: Entry, cause: Cause, *, ended_well: bool = False) -> None:
        """Judge the launch by its task instance: its pod has ended, or is not there any more."""
        if not self.ledger.holds(entry) or entry.phase is Phase.SETTLING:
            return
        entry.phase = Phase.SETTLING
        self._gates.lost_sight(entry.launch_id)
        self._ends.add(entry, cause, ended_well=ended_well)
        self._submission.pump()

    def replace(self, entry: Entry, pod: Pod, *, cause: Cause) -> None:
        """Delete the launch's pending pod; once it is gone the launch goes on with the next."""
        entry.replaced_since_s, entry.replaced_cause = self._clock.now_s(), cause
        self.deleter.delete(pod)

    def give_up(self, entry: Entry, *, cause: Cause) -> None:
        """Fail the launch, whose pod does not start, unless its task has moved on."""
        entry.is_hopeless, entry.replaced_cause = True, cause
        self.end(entry, cause)

    def relaunches_left(self, entry: Entry) -> int:
        """Return how many more pods the launch may have."""
        return self._ends.relaunches_left(entry)

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens; never raises."""
        launch = LaunchRef(key=entry.key, launch_id=entry.launch_id, row_id=entry.row_id)
        try:
            self._hooks.on_event(kind, launch, sentence)
        except Exception:
            log.exception("event %r of launch %s was lost", kind, entry.launch_id)

    def finish(self, entry: Entry, verdict: Verdict, reason: str) -> None:
        """Report the launch's outcome, unless it was revoked meanwhile."""
        if self.ledger.holds(entry):
            self._drop(entry)
            self._report(entry, verdict, reason)

    def _drop(self, entry: Entry) -> None:
        self.ledger.drop(entry.launch_id)
        self._gates.lost_sight(entry.launch_id)
        self._submission.forget(entry)
        self._submission.pump()

    def _report(self, entry: Entry, verdict: Verdict, reason: str) -> None:
        self.counters.outcomes[verdict.name.lower()] += 1
        self._emit(
            Outcome(key=entry.key, launch_id=entry.launch_id, verdict=verdict, reason=reason)
        )
