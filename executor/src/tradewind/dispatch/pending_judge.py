"""Judge pending pods by what they wait for, reading their events where the status is silent.

Loop thread only. The knowledge is in `pods.pending`; this module remembers since when each pod
waits for what, and asks the API server at a bearable pace.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from tradewind.client.errors import ClusterError
from tradewind.client.models import Event, Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch.hooks import PendingVerdict
from tradewind.errors import ConfigError
from tradewind.pods import causes, pending
from tradewind.pods.pending import Patience, Pending, Step, Wait

log = logging.getLogger(__name__)

ASK_EVERY_S = 30.0
MOST_EVENTS = 50
FORGET_AFTER_S = 600.0
"""A pod that was not judged for so long has started or is gone."""
FORGET_EVERY_S = 60.0


@dataclass(slots=True)
class _Seen:
    wait: Wait | None = None
    events: tuple[Event, ...] = ()
    asked_s: float | None = None
    looked_s: float = field(default=0.0)


class PendingJudge:
    """A `hooks.JudgePending`: call it with a pod that has not started."""

    def __init__(self, cluster: Cluster, *, patience: Patience, clock: Clock) -> None:
        self._cluster = cluster
        self._patience = patience
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._forgot_s = float("-inf")

    async def __call__(self, pod: Pod, _pending_for_s: float) -> PendingVerdict:
        """Return what is to be done about the pod now. Never raises a ClusterError."""
        self._forget()
        seen = self._seen.setdefault(pod.metadata.uid, _Seen())
        seen.looked_s = self._clock.now_s()
        step = self._judge(seen, pod)
        if step is Step.ASK and await self._ask(seen, pod):
            step = self._judge(seen, pod)
        if seen.wait is None or step is Step.WAIT:
            return PendingVerdict(action="wait")
        return _verdict(seen.wait.pending, step)

    def _judge(self, seen: _Seen, pod: Pod) -> Step:
        now_s = self._clock.now_s()
        found = pending.why_pending(pod, events=seen.events)
        seen.wait = pending.follow(seen.wait, found, now_s=now_s)
        if seen.wait is None:
            return Step.WAIT
        return pending.judge(seen.wait, now_s=now_s, patience=self._patience)

    async def _ask(self, seen: _Seen, pod: Pod) -> bool:
        """Read the pod's events, if the last time is long enough ago; tell whether they came."""
        now_s = self._clock.now_s()
        if seen.asked_s is not None and now_s - seen.asked_s < ASK_EVERY_S:
            return False
        seen.asked_s = now_s
        metadata = pod.metadata
        try:
            seen.events = await self._cluster.list_events(
                metadata.namespace, pod_uid=metadata.uid, limit=MOST_EVENTS
            )
        except ClusterError as error:
            # Without the right to list events a user reads less; the launch goes on as well.
            log.info("no events of pod %s/%s: %s", metadata.namespace, metadata.name, error)
            return False
        return True

    def _forget(self) -> None:
        """Look through all of them once in a while only: a burst may have thousands pending."""
        now_s = self._clock.now_s()
        if now_s - self._forgot_s < FORGET_EVERY_S:
            return
        self._forgot_s = now_s
        oldest_s = now_s - FORGET_AFTER_S
        for uid in [uid for uid, seen in self._seen.items() if seen.looked_s < oldest_s]:
            del self._seen[uid]


def patience(limits: Mapping[str, float]) -> Patience:
    """Return the defaults with other limits by class, in seconds.

    Raises:
        ConfigError: there is no such class.

    """
    known = [klass.value for klass in pending.PendingClass]
    if unknown := [name for name in limits if name not in known]:
        raise ConfigError(
            f"[tradewind] pending_limits has {unknown[0]!r}: choose from {', '.join(known)}"
        )
    return Patience(**{f"{name}_s": limit for name, limit in limits.items()})


def _verdict(found: Pending, step: Step) -> PendingVerdict:
    kind, sentence = str(found.kind), found.sentence
    if step is not Step.GIVE_UP:
        return PendingVerdict(action="wait", kind=kind, sentence=sentence)
    # Another pod may fare better where the cluster is to blame, and only there.
    may_help = causes.ABOUT[found.kind].infrastructure and not found.fatal
    return PendingVerdict(action="relaunch" if may_help else "fail", kind=kind, sentence=sentence)
