"""Create, drain and delete pods of pools, and remember what the watch does not show yet.

Loop thread only. Nothing is planned on top of a create whose pod nobody has seen: it would be
repeated. A drain is a conditional patch like a claim, so that it never kills a claimed pod.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.dispatch import publish_policy
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.pool.members import Member
from tradewind.dispatch.pool.picture import Picture
from tradewind.dispatch.stats import Counters
from tradewind.pods import labels, not_created
from tradewind.pods.merge import Manifest
from tradewind.watch.reflector import Listing

log = logging.getLogger(__name__)

UNANSWERED_FOR_S = 60.0
"""A create without an answer has shown its pod by then, or never will."""
_MEANS_CHANGED = frozenset({404, 409, 422})
"""Answers to a conditional patch that say the pod is not as it was seen."""


@dataclass(slots=True, kw_only=True)
class _Unseen:
    pool: str
    namespace: str
    since_s: float
    uid: str = ""
    """Empty until an answer came."""


class Writes:
    """What one process writes for its pools."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        picture: Picture,
        gates: Gates,
        deleter: Deleter,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._cluster = cluster
        self._picture = picture
        self._gates = gates
        self._deleter = deleter
        self._clock = clock
        self._counters = counters
        self._unseen: dict[str, _Unseen] = {}
        """Creates by the pod's name."""

    def unseen(self, pool: str | None = None) -> int:
        """Return how many creates the watch has not confirmed yet, of one pool or of all."""
        oldest_s = self._clock.now_s() - UNANSWERED_FOR_S
        for name, one in list(self._unseen.items()):
            if not one.uid and one.since_s < oldest_s:
                del self._unseen[name]
        return sum(pool in {None, one.pool} for one in self._unseen.values())

    def saw(self, pod: Pod) -> None:
        """Take note that the watch shows the pod, or has shown its end."""
        self._unseen.pop(pod.metadata.name, None)

    def on_listed(self, listing: Listing) -> None:
        """Give up pods that a complete list, begun after their create, does not show."""
        for name, one in list(self._unseen.items()):
            here = listing.namespace in {"", one.namespace}
            if here and one.uid and one.since_s < listing.began_s and one.uid not in listing.uids:
                del self._unseen[name]

    async def create(
        self, pool: str, manifest: Manifest, *, failed: Callable[[ClusterError | OSError], None]
    ) -> None:
        """Create one pod; `failed` is told an error that says no pod exists. Never raises it."""
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata["namespace"]
        now_s = self._clock.now_s()
        note = _Unseen(pool=pool, namespace=namespace, since_s=math.inf)
        self._unseen[name] = note
        call = self._gates.begin(now_s)
        try:
            pod = await self._cluster.create_pod(namespace, manifest)
        except (ClusterError, OSError) as error:
            self._gates.told(call, publish_policy.feedback(error), self._clock.now_s())
            self._counters.failed_call(not_created.word_of(error))
            note.since_s = self._clock.now_s()
            if _says_no(error):
                self._unseen.pop(name, None)
            failed(error)
        except BaseException:
            self._gates.cancelled(call)
            self._unseen.pop(name, None)
            raise
        else:
            self._gates.answered(call, self._clock.now_s())
            note.since_s, note.uid = self._clock.now_s(), pod.metadata.uid
            if self._picture.member(pod.metadata.uid) is not None:
                self._unseen.pop(name, None)
            self._counters.pool_created(namespace)

    async def drain(self, member: Member, reason: str) -> None:
        """Mark the pod as draining unless it was claimed meanwhile, and delete it. Never raises.

        The pod has to be reserved; it is released here.
        """
        where = f"{member.pod.metadata.namespace}/{member.pod.metadata.name}"
        breaker = self._gates.breaker
        probe = breaker.begin()
        try:
            marked = await mark_draining(self._cluster, member.pod)
        except (ClusterError, OSError) as error:
            log.warning("draining warm pod %s is put off: %s", where, error)
            if publish_policy.feedback(error).answered:
                breaker.answered()
            else:
                breaker.unanswered(self._clock.now_s(), probe=probe)
            self._picture.release(member)
            return
        except BaseException:
            breaker.cancelled(probe=probe)
            self._picture.release(member)
            raise
        breaker.answered()
        if marked is None:
            self._picture.release(member, spoilt=True)
            return
        log.info("draining warm pod %s of pool %r: %s", where, member.pool, reason)
        self._deleter.delete(marked)
        self._picture.lost(member.uid)
        self._picture.release(member)

    def delete(self, member: Member) -> bool:
        """Delete a pod that nobody can claim any more; False when that is under way."""
        return self._deleter.delete(member.pod)


def _says_no(error: ClusterError | OSError) -> bool:
    """Whether the error says that no pod was created."""
    throttled = 429
    return isinstance(error, ApiError) and (error.status == throttled or not error.retryable)


async def mark_draining(cluster: Cluster, pod: Pod) -> Pod | None:
    """Return the pod as draining, or None when it is not as it was seen: claimed, or gone.

    Raises:
        ClusterError: whether it is marked is not known.

    """
    metadata = pod.metadata
    patch = {
        "metadata": {
            "uid": metadata.uid,
            "resourceVersion": metadata.resource_version,
            "labels": {labels.DRAINING: "true"},
        }
    }
    try:
        return await cluster.patch_pod(metadata.namespace, metadata.name, patch)
    except ApiError as error:
        if error.status in _MEANS_CHANGED:
            return None
        raise
