"""Claim an idle pod for a launch by one conditional patch. Loop thread only.

The patch gives the pod the labels and annotations that the launch's own pod would have had; from
then on it is that pod in every respect. An answer that was lost is not guessed at: the pod itself
says whose it is.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from tradewind.client.errors import ApiError, ClusterError, ConnectionLostError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch import publish_policy
from tradewind.dispatch.backlog import COLD, UNKNOWN
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.gates.window import Window
from tradewind.dispatch.ledger import Entry, MissReason, Phase
from tradewind.dispatch.pool import claim_policy, spec
from tradewind.dispatch.pool.claim_policy import Found, Next
from tradewind.dispatch.pool.members import Member
from tradewind.dispatch.pool.picture import Picture
from tradewind.dispatch.stats import Counters
from tradewind.pods import labels, not_created, running_limit
from tradewind.pods.causes import Cause
from tradewind.pods.merge import Manifest

log = logging.getLogger(__name__)

MOST_TRIES = 4
"""Pods that one launch tries for before it starts cold."""
CONTESTED_FOR_S = 10.0
"""How long after a lost claim pods are chosen at random: who took it wants the oldest as well."""
REFUSED_FOR_S = 60.0
"""How long no claim is tried after the API server forbade one."""


_REASONS: dict[Next, MissReason] = {Next.ANOTHER: "lost", Next.STOP: "refused"}


@dataclass(frozen=True, slots=True)
class Claimed:
    """The pod is the launch's."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Missed:
    """No pod is the launch's: it starts cold."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Whether a pod is the launch's could not be found out in time."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Over:
    """No answer is needed any more: the launch was revoked, or the watch has shown its pod."""


Answer = Claimed | Missed | Failed | Over


class Turns(NamedTuple):
    """Lanes of the backlog, by when their first launch may try for an idle pod."""

    now: Collection[str] = ()
    later: Collection[str] = ()
    """Once pods that were claimed begin their tasks; there are idle pods for these launches, so
    that none of them starts cold meanwhile."""


NOBODY = Turns()


class Claims:
    """The claims of one executor."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        picture: Picture,
        gates: Gates,
        clock: Clock,
        counters: Counters,
        settings: Settings,
        rng: random.Random,
    ) -> None:
        self._cluster = cluster
        self._picture = picture
        self.gates = gates
        """Claims and creates share the breaker."""
        self._window = Window(most=settings.create_concurrency, rng=rng)
        self._rng = rng
        self._clock = clock
        self._counters = counters
        self._budget_s = settings.launch_budget_s
        self._is_on = spec.is_on(settings.warm_pools)
        self._refused_until_s = self._lost_s = -math.inf
        self.shapes: Collection[str] = frozenset()
        """Templates of the pools there are to be; the keeper tells."""
        self.last_s = -math.inf
        """When a pod was claimed last, monotonic."""

    @property
    def in_flight(self) -> int:
        """Claims under way."""
        return self._window.in_flight

    def lane_of(self, entry: Entry) -> str:
        """Return where the launch waits: for the pods of a shape, for any, or for none."""
        if not self._may_claim(entry):
            return COLD
        if entry.shape is None:
            return UNKNOWN
        return entry.shape if self._is_known(entry.shape) else COLD

    def turns(self, *, scouts: int) -> Turns:
        """Return whose turn it is to try for an idle pod.

        Args:
            scouts: launches that are on their way to one already.

        """
        now_s = self._clock.now_s()
        if not self._is_on or now_s < self._refused_until_s or self.gates.breaker.is_open:
            return NOBODY
        free = self._picture.free()
        lanes = (UNKNOWN, *free)
        if any(free.values()) and self._must_wait(scouts, now_s):
            return Turns(later=lanes)
        if scouts >= sum(free.values()) or self._window.hold_s(now_s) > 0:
            return NOBODY
        return Turns(now=lanes)

    def _must_wait(self, scouts: int, now_s: float) -> bool:
        on_their_way = len(self._picture.reserved("claim")) + scouts
        return not self.gates.starts.may_claim(now_s, in_flight=on_their_way)

    def reserve(self, entry: Entry, manifest: Manifest) -> Member | None:
        """Return an idle pod that is kept for the launch of that pod, or None."""
        if not self._may_claim(entry):
            return None
        entry.shape = (manifest["metadata"].get("labels") or {}).get(labels.TEMPLATE, "")
        if not entry.shape or self._clock.now_s() < self._refused_until_s:
            return None
        return self._take(entry.shape)

    def miss_reason(self, entry: Entry) -> MissReason | None:
        """Return why a launch starts cold, or None where that is no miss."""
        if not self._is_on or entry.ordinal or entry.attempts or not entry.reports_itself:
            return None
        if entry.misses_pools is not None:
            return entry.misses_pools
        if self._clock.now_s() < self._refused_until_s:
            return "refused"
        if not entry.shape or not self._is_known(entry.shape):
            return "no_pool"
        starting = self._picture.starting(self._clock.utc_s(), template=entry.shape)
        return "starting" if starting else "empty"

    async def claim(self, entry: Entry, manifest: Manifest, member: Member) -> Answer:
        """Claim the reserved pod, or the next ones, for the launch. Never raises `ClusterError`."""
        began_s = self._clock.now_s()
        for _ in range(MOST_TRIES):
            answer = await self._try(entry, manifest, member)
            if isinstance(answer, Claimed) or (answer is Next.SEEN and not entry.revoked):
                self.last_s = self._clock.now_s()
                self._counters.claimed(member.pool, took_s=self.last_s - began_s)
            if not isinstance(answer, Next):
                return answer
            if answer is Next.SEEN:
                return Over()
            entry.misses_pools = _REASONS.get(answer, "error")
            if answer is not Next.ANOTHER:
                break
            self._counters.claim_lost(member.pool)
            self._lost_s = self._clock.now_s()
            following = self._take(member.template)
            if following is None:
                break
            member = following
        else:
            self._picture.release(member)
        return Missed()

    async def _try(
        self, entry: Entry, manifest: Manifest, member: Member
    ) -> Claimed | Failed | Next:
        """Claim one pod; afterwards it is reserved no more."""
        answer: Pod | Claimed | Failed | Next = member.pod
        began_s, attempt = self._clock.now_s(), 0
        try:
            while True:
                if isinstance(answer, Pod):
                    patch = patch_of(manifest, answer, utc_s=self._clock.utc_s())
                    answer = await self._patch(patch, member)
                if answer is not Next.LOOK:
                    break
                attempt += 1
                answer = await self._look(entry, member, attempt, since_s=began_s)
            return answer
        finally:
            if isinstance(answer, Claimed):
                self._picture.lost(member.uid)
            self._picture.release(member, spoilt=answer is Next.ANOTHER)

    async def _patch(self, patch: Manifest, member: Member) -> Claimed | Next:
        began_s = self._clock.now_s()
        self._window.begin()
        metadata = member.pod.metadata
        try:
            pod = await self._cluster.patch_pod(metadata.namespace, metadata.name, patch)
        except (ClusterError, OSError) as error:
            self._told(error, began_s)
            self._counters.failed_call(not_created.word_of(error))
            return self._after(error)
        except BaseException:
            self._window.cancelled()
            raise
        self.gates.breaker.answered()
        self._window.answered(began_s=began_s, now_s=self._clock.now_s())
        return Claimed(pod)

    def _after(self, error: ClusterError | OSError) -> Next:
        following = claim_policy.after(error)
        if following is Next.STOP:
            self._refused_until_s = self._clock.now_s() + REFUSED_FOR_S
            log.error(
                "warm pods cannot be claimed, tasks start cold: %s; give the scheduler's "
                "ServiceAccount the right to patch pods",
                error,
            )
        return following

    def _told(self, error: ClusterError | OSError, began_s: float) -> None:
        now_s = self._clock.now_s()
        said = publish_policy.feedback(error)
        if said.answered:
            self.gates.breaker.answered()
        else:
            self.gates.breaker.unanswered(now_s, probe=False)
        if said.answered and not said.overloaded:
            self._window.answered(began_s=began_s, now_s=now_s)
        else:
            self._window.pushed_back(began_s=began_s, now_s=now_s, pause_s=said.pause_s)

    async def _look(
        self, entry: Entry, member: Member, attempt: int, *, since_s: float
    ) -> Pod | Claimed | Failed | Next:
        """Wait a moment, then find out whose the pod is; return it when it is nobody's."""
        lost = ConnectionLostError("the answer to the claim of a warm pod was lost")
        decision = publish_policy.decide_create(
            lost,
            attempt=attempt,
            troubled_s=self._clock.now_s() - since_s,
            budget_s=self._budget_s,
        )
        if isinstance(decision, publish_policy.Fail):
            entry.may_have_pod = True
            return Failed(decision.cause)
        if attempt > 1 and isinstance(decision, publish_policy.Retry):
            await self._clock.sleep(decision.after_s)
        if entry.phase is not Phase.CREATING or entry.revoked:
            return Next.SEEN
        metadata = member.pod.metadata
        try:
            pod = await self._cluster.get_pod(metadata.namespace, metadata.name)
        except (ClusterError, OSError) as error:
            gone = isinstance(error, ApiError) and error.is_not_found
            return Next.ANOTHER if gone else Next.LOOK
        match claim_policy.found(pod, uid=member.uid, launch_id=entry.launch_id):
            case Found.OURS:
                return Claimed(pod)
            case Found.FREE:
                return pod
            case _:
                return Next.ANOTHER

    def _take(self, template: str) -> Member | None:
        contested = self._clock.now_s() - self._lost_s < CONTESTED_FOR_S
        return self._picture.take(template, at_random=self._rng if contested else None)

    def _may_claim(self, entry: Entry) -> bool:
        """Whether no pod of the launch can exist yet: two would race for its task.

        Nobody writes down that a callback or connection test has begun. A pod made for it gives up
        by itself; an idle one does not know that it was claimed, and one that never fetches its
        workload could not be told from one at work.
        """
        began = entry.ordinal > 0 or entry.attempts > 0 or entry.may_have_pod
        fits = entry.reports_itself and not began and entry.misses_pools is None
        return self._is_on and fits

    def _is_known(self, shape: str) -> bool:
        return shape in self.shapes or shape in self._picture.free()


def patch_of(manifest: Manifest, pod: Pod, *, utc_s: float) -> dict[str, Any]:
    """Return the patch that makes the idle pod, exactly as it was seen, the launch's."""
    metadata = manifest["metadata"]
    limit = running_limit.of_claimed(manifest, pod, utc_s=utc_s)
    spec = {} if limit is None else {"spec": {"activeDeadlineSeconds": limit}}
    return spec | {
        "metadata": {
            "uid": pod.metadata.uid,
            "resourceVersion": pod.metadata.resource_version,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
        }
    }
