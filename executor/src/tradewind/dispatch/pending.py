"""Look at pods that do not start: tell why, and replace or give up those that never will.

Loop thread only. What to do is the hook's decision (`Hooks.judge_pending`); how it is done is
decided here: the old pod is deleted by its uid first, and the launch goes on only once it is gone
or can run no more, because two pods of one launch would race for the task.
"""

from __future__ import annotations

import inspect
import logging
from typing import Protocol

from tradewind.client.models import Pod
from tradewind.clock import Clock
from tradewind.dispatch.hooks import EventKind, Hooks, PendingVerdict
from tradewind.dispatch.ledger import Entry, Ledger, Phase
from tradewind.pods import state
from tradewind.pods.causes import Cause, Kind
from tradewind.pods.state import PodState

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
MOST_SELDOM_S = 15.0
"""A pod that has been pending for long is looked at less often: looking may cost calls."""
GONE_WITHIN_S = 300.0
"""A deleted pod that is still there after this was lost with its node."""


class Launches(Protocol):
    """What becomes of a pending pod; the dispatcher."""

    def replace(self, entry: Entry, pod: Pod, *, cause: Cause) -> None:
        """Delete the pod; once it is gone the launch goes on with the next."""
        ...

    def give_up(self, entry: Entry, *, cause: Cause) -> None:
        """Fail the launch."""
        ...

    def relaunches_left(self, entry: Entry) -> int:
        """Return how many more pods the launch may have."""
        ...

    def note(self, kind: EventKind, entry: Entry, sentence: str) -> None:
        """Tell whoever listens."""
        ...


class PendingWatch:
    """The loop that looks at pending pods."""

    def __init__(self, *, ledger: Ledger, launches: Launches, clock: Clock, hooks: Hooks) -> None:
        self._ledger = ledger
        self._launches = launches
        self._clock = clock
        self._hooks = hooks

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            for entry in self._ledger.within(Phase.LIVE):
                try:
                    await self._look_at(entry)
                except Exception:
                    log.exception("judging the pending pod of launch %s failed", entry.launch_id)

    async def _look_at(self, entry: Entry) -> None:
        now_s = self._clock.now_s()
        pod = entry.pod
        if entry.replaced_since_s is not None:
            if now_s - entry.replaced_since_s > GONE_WITHIN_S:
                self._launches.give_up(entry, cause=_stuck(entry.replaced_cause))
            return
        if pod is None or state.of(pod) is not PodState.PENDING or now_s < entry.judge_at_s:
            return
        pending_for_s = now_s - entry.live_since_s
        entry.judge_at_s = now_s + min(MOST_SELDOM_S, max(LOOK_EVERY_S, pending_for_s / 2))
        verdict = self._hooks.judge_pending(pod, pending_for_s)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        # It may have started, ended or been revoked while its events were read.
        if self._ledger.holds(entry) and entry.phase is Phase.LIVE and entry.pod is pod:
            self._act(entry, pod, verdict)

    def _act(self, entry: Entry, pod: Pod, verdict: PendingVerdict) -> None:
        if verdict.sentence and verdict.kind != entry.pending_kind:
            entry.pending_kind = verdict.kind
            self._launches.note("pending", entry, verdict.sentence)
        if verdict.action == "wait":
            return
        if verdict.action == "relaunch" and self._launches.relaunches_left(entry) > 0:
            self._launches.replace(entry, pod, cause=_cause(verdict))
        else:
            self._launches.give_up(entry, cause=_cause(verdict))


def _cause(verdict: PendingVerdict) -> Cause:
    try:
        return Cause(Kind(verdict.kind), verdict.sentence)
    except ValueError:
        return Cause(Kind.OTHER, verdict.sentence)


def _stuck(before: Cause | None) -> Cause:
    why = "" if before is None else f"{before.sentence}; "
    sentence = (
        f"{why}its pod was deleted {GONE_WITHIN_S:.0f} s ago and is still there: its node may be "
        "lost"
    )
    return Cause(Kind.NODE_LOST, sentence)
