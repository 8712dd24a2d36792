"""From a pod's end to what the scheduler is told. Loop thread only.

An end is judged by its task instance's row (`settlement` reads, `settle` decides); then the pod is
deleted unless users want it kept, and the launch finishes or goes on with its next pod.
"""

from __future__ import annotations

import logging
from typing import Protocol

from tradewind.client.models import Pod
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.hooks import EventKind
from tradewind.dispatch.last_words import LastWords
from tradewind.dispatch.ledger import Entry
from tradewind.dispatch.settle import (
    TaskFacts,
    Verdict,
    explains_failure,
    is_kept,
    settle,
    settle_by_pod,
)
from tradewind.dispatch.settlement import End, Settlement
from tradewind.dispatch.stats import Counters
from tradewind.dispatch.submission import Submission
from tradewind.pods import measurement, state
from tradewind.pods.causes import Cause, Kind

log = logging.getLogger(__name__)

RELAUNCH_BACKOFF_S = 10.0
"""Before the second relaunch, doubled before each further one; the first is immediate."""

COMPLETED = "completed"
"""Label of the end of a pod that ended as pods do."""


class Launches(Protocol):
    """What becomes of a launch whose end was judged; the dispatcher."""

    def finish(self, entry: Entry, verdict: Verdict, reason: str) -> None:
        """Report the launch's outcome, unless it was revoked meanwhile."""
        ...

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens."""
        ...


class Ends:
    """The judge of ended pods."""

    def __init__(
        self,
        *,
        settings: Settings,
        settlement: Settlement,
        submission: Submission,
        deleter: Deleter,
        last_words: LastWords,
        launches: Launches,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._settlement = settlement
        self._submission = submission
        self._deleter = deleter
        self._last_words = last_words
        self._launches = launches
        self._clock = clock
        self._counters = counters

    async def run(self) -> None:
        """Run until cancelled."""
        await self._settlement.run(self._judge)

    def add(self, entry: Entry, cause: Cause, *, ended_well: bool) -> None:
        """Judge the launch soon; its pod has ended, or is not there any more."""
        cause = entry.replaced_cause or cause
        self._counters.ended(COMPLETED if _is_plain(cause, ended_well) else str(cause.kind))
        self._settlement.add(End(entry=entry, ended_well=ended_well, cause=cause))

    def relaunches_left(self, entry: Entry) -> int:
        """Return how many more pods the launch may have."""
        return 0 if entry.is_hopeless else self._settings.relaunch_limit - entry.ordinal

    def _judge(self, end: End, facts: TaskFacts | None) -> None:
        entry = end.entry
        verdict = self._verdict(end, facts)
        explains = verdict is Verdict.DROP and explains_failure(facts, end.cause)
        self._measure(entry, facts, verdict)
        if entry.pod is not None:
            failed = not end.ended_well or verdict is Verdict.FAILED
            lost_log = explains or verdict is Verdict.FAILED
            self._remove(entry, entry.pod, failed=failed, lost_log=lost_log)
        if verdict is Verdict.RELAUNCH:
            self._relaunch(entry, end.cause)
        else:
            self._launches.note("explained" if explains else "ended", entry, end.cause.sentence)
            self._launches.finish(entry, verdict, end.cause.sentence)

    def _remove(self, entry: Entry, pod: Pod, *, failed: bool, lost_log: bool) -> None:
        """Delete the pod unless users want it kept; first its log, if nobody else has that."""
        # Kept are pods to look into; one that has not ended would start yet.
        is_staying = state.of(pod).has_ended and is_kept(self._settings, failed=failed)

        def remove() -> None:
            if not is_staying:
                self._deleter.delete(pod)

        if lost_log and entry.reports_itself:
            self._last_words.keep(entry, pod, then=remove)
        else:
            remove()

    def _measure(self, entry: Entry, facts: TaskFacts | None, verdict: Verdict) -> None:
        """Tell where the launch's time went, once: not of a pod that another one replaces."""
        if entry.pod is None or not entry.reports_itself or verdict is Verdict.RELAUNCH:
            return
        is_ours = facts is not None and facts.launch_id == entry.launch_id
        queued_s = facts.queued_s if facts is not None and is_ours else None
        measured = measurement.measure(entry.pod, queued_s=queued_s, miss=entry.missed or "")
        if measured is not None:
            dag_id = entry.pod.metadata.annotations.get("dag_id", "")
            self._counters.measured_launch(measured, dag_id=dag_id)
            self._launches.note("measured", entry, measured.encode())

    def _verdict(self, end: End, facts: TaskFacts | None) -> Verdict:
        entry = end.entry
        said = None if entry.pod is None else state.farewell(entry.pod)
        ended = None if said is None else said.ended
        if not entry.reports_itself:
            return settle_by_pod(
                ended_well=end.ended_well,
                has_started=entry.pod is not None and state.has_started(entry.pod),
                relaunches_left=self.relaunches_left(entry) if entry.launch else 0,
                farewell=ended,
            )
        return settle(
            facts,
            launch_id=entry.launch_id,
            relaunches_left=self.relaunches_left(entry),
            can_relaunch=entry.launch is not None,
            farewell=ended,
        )

    def _relaunch(self, entry: Entry, cause: Cause) -> None:
        log.warning("launch %s again, its task never began: %s", entry.launch_id, cause.sentence)
        self._counters.relaunched(str(cause.kind))
        self._launches.note("relaunched", entry, cause.sentence)
        entry.next_pod()
        entry.since_s = self._clock.now_s()
        if entry.ordinal == 1:
            self._submission.push(entry)
        else:
            wait_s = RELAUNCH_BACKOFF_S * 2 ** min(entry.ordinal - 2, 4)
            self._submission.push_later(entry, wait_s)


def _is_plain(cause: Cause, ended_well: bool) -> bool:  # noqa: FBT001
    """Whether the pod ended with exit code 0 and nothing happened to it."""
    return ended_well and cause.kind is Kind.NO_RESULT
