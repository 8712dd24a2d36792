"""Turn launches into pods and pods' ends into outcomes.

Everything here runs on the loop thread. A launch passes: backlog -> gates -> create (`submission`)
-> watch -> settle against the task instance's row (`settlement`) -> outcome, and its pod is deleted
once (`deleter`). This module owns the steps between them. Invariants: at most one live pod per
launch, an outcome per launch exactly once, no error of one launch reaches another.
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
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.finder import Banisher
from tradewind.dispatch.gates.breaker import Breaker
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.hooks import EventKind, Hooks, LaunchRef, ReadFacts
from tradewind.dispatch.ledger import Entry, Launch, Ledger, Phase
from tradewind.dispatch.pending import PendingWatch
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import (
    TaskFacts,
    Verdict,
    explains_failure,
    is_kept,
    settle,
    settle_by_pod,
)
from tradewind.dispatch.settlement import End, Settlement
from tradewind.dispatch.stats import Counters, Stats, snapshot
from tradewind.dispatch.submission import Submission
from tradewind.pods import diagnosis, labels, state
from tradewind.pods.causes import Cause, Kind
from tradewind.pods.labels import TaskRef
from tradewind.pods.state import PodState
from tradewind.watch.reflector import Change, Listing

log = logging.getLogger(__name__)

_TERMINAL = frozenset({"Succeeded", "Failed"})
RELAUNCH_BACKOFF_S = 10.0
"""Before the second relaunch, doubled before each further one; the first is immediate."""

GAUGES_EVERY_S = 10.0
COMPLETED = "completed"
"""Label of the end of a pod that ended as pods do."""


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
        self._settings = settings
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
        self._submission = Submission(
            cluster,
            renderer=renderer,
            ledger=self.ledger,
            gates=self._gates,
            launches=self,
            clock=clock,
            counters=self.counters,
            budget_s=settings.launch_budget_s,
        )
        self._settlement = Settlement(
            ledger=self.ledger,
            read_facts=read_facts,
            judge=self._judge,
            clock=clock,
            threads=threads,
        )
        self._pending = PendingWatch(ledger=self.ledger, launches=self, clock=clock, hooks=hooks)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._submission.run(), name="submission")
            group.create_task(self._settlement.run(), name="settlement")
            group.create_task(self._pending.run(), name="pending")
            group.create_task(self._show(), name="gauges")
            group.create_task(self.deleter.run(), name="deleter")
            group.create_task(self._banisher.run(), name="banisher")

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
        self._gates.saw(entry.launch_id, pod, self._clock.now_s())
        self._time(entry, pod)
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

    def _time(self, entry: Entry, pod: Pod) -> None:
        """Measure the steps of a launch of ours, from when they were seen."""
        if entry.launch is None or entry.has_run:
            return
        now_s = self._clock.now_s()
        if entry.placed_s is None and pod.spec.node_name:
            entry.placed_s = now_s
            self.counters.placed(now_s - entry.live_since_s)
        if state.has_started(pod) and entry.placed_s is not None:
            entry.has_run = True
            self.counters.started(now_s - entry.placed_s)

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
        self._finish(entry, Verdict.FAILED, cause.sentence)

    def unresolved(self, entry: Entry) -> None:
        """Look for a pod of a revoked launch: the answer to its create was lost."""
        self._banisher.search(entry.launch_id)

    def end(self, entry: Entry, cause: Cause, *, ended_well: bool = False) -> None:
        """Judge the launch by its task instance: its pod has ended, or is not there any more."""
        if not self.ledger.holds(entry) or entry.phase is Phase.SETTLING:
            return
        entry.phase = Phase.SETTLING
        self._gates.lost_sight(entry.launch_id)
        cause = entry.replaced_cause or cause
        self.counters.ended(COMPLETED if _is_plain(cause, ended_well) else str(cause.kind))
        self._settlement.add(End(entry=entry, ended_well=ended_well, cause=cause))
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
        return 0 if entry.is_hopeless else self._settings.relaunch_limit - entry.ordinal

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens; never raises."""
        launch = LaunchRef(key=entry.key, launch_id=entry.launch_id, row_id=entry.row_id)
        try:
            self._hooks.on_event(kind, launch, sentence)
        except Exception:
            log.exception("event %r of launch %s was lost", kind, entry.launch_id)

    # -- ends ------------------------------------------------------------------------------------

    def _judge(self, end: End, facts: TaskFacts | None) -> None:
        entry = end.entry
        verdict = self._verdict(end, facts)
        if entry.pod is not None:
            failed = not end.ended_well or verdict is Verdict.FAILED
            # Kept are pods to look into; one that has not ended would start yet.
            if not (state.of(entry.pod).has_ended and is_kept(self._settings, failed=failed)):
                self.deleter.delete(entry.pod)
        if verdict is Verdict.RELAUNCH:
            self._relaunch(entry, end.cause)
        else:
            explains = verdict is Verdict.DROP and explains_failure(facts, end.cause)
            self.note("explained" if explains else "ended", entry, end.cause.sentence)
            self._finish(entry, verdict, end.cause.sentence)

    def _verdict(self, end: End, facts: TaskFacts | None) -> Verdict:
        entry = end.entry
        relaunches_left = self.relaunches_left(entry)
        if not entry.reports_itself:
            return settle_by_pod(
                ended_well=end.ended_well,
                has_started=entry.pod is not None and state.has_started(entry.pod),
                relaunches_left=relaunches_left,
            )
        return settle(
            facts,
            launch_id=entry.launch_id,
            relaunches_left=relaunches_left,
            can_relaunch=entry.launch is not None,
        )

    def _relaunch(self, entry: Entry, cause: Cause) -> None:
        log.warning("launch %s again, its task never began: %s", entry.launch_id, cause.sentence)
        self.counters.relaunched(str(cause.kind))
        self.note("relaunched", entry, cause.sentence)
        entry.next_pod()
        entry.since_s = self._clock.now_s()
        if entry.ordinal == 1:
            self._submission.push(entry)
        else:
            wait_s = RELAUNCH_BACKOFF_S * 2 ** min(entry.ordinal - 2, 4)
            self._submission.push_later(entry, wait_s)

    def _finish(self, entry: Entry, verdict: Verdict, reason: str) -> None:
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


def _is_plain(cause: Cause, ended_well: bool) -> bool:  # noqa: FBT001
    """Whether the pod ended with exit code 0 and nothing happened to it."""
    return ended_well and cause.kind is Kind.NO_RESULT
