"""The pods of warm pools as the watch shows them, and which of them a launch may have.

Loop thread only; nothing here waits. Whoever claims or drains a pod reserves it first, so that no
two of this process want the same; between processes the API server decides.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from tradewind.dispatch.pool.members import Member, Standing, choose, member_of
from tradewind.pods import labels
from tradewind.watch.reflector import Change, Listing


class Picture:
    """Pods of this installation that are in some pool and have no launch."""

    def __init__(self, *, installation: str) -> None:
        self._installation = installation
        self._members: dict[str, Member] = {}
        self._idle: dict[str, dict[str, Member]] = {}
        """By template and uid: what `take` chooses from, but for those that are reserved."""
        self._spoilt: dict[str, str] = {}
        """Versions, by uid, that the API server said are not the latest."""
        self._reasons: dict[str, str] = {}
        """Why a reserved pod is reserved, by uid."""

    # -- what the watch says ---------------------------------------------------------------------

    def on_change(self, change: Change) -> None:
        """Take note of a pod as it now is."""
        pod, uid = change.pod, change.pod.metadata.uid
        if pod.metadata.labels.get(labels.INSTALLATION, "") != self._installation:
            return
        member = member_of(pod)
        if change.gone or member.standing is Standing.CLAIMED:
            self.lost(uid)
            return
        self._unlist(uid)
        self._members[uid] = member
        if self._spoilt.get(uid) != pod.metadata.resource_version:
            self._spoilt.pop(uid, None)
        self._list(member)

    def on_listed(self, listing: Listing) -> None:
        """Forget pods of the namespace that a complete list does not show."""
        for uid, member in list(self._members.items()):
            here = listing.namespace in {"", member.pod.metadata.namespace}
            if here and uid not in listing.uids:
                self.lost(uid)

    def lost(self, uid: str) -> None:
        """Forget a pod: it was claimed, or exists no more."""
        self._unlist(uid)
        self._members.pop(uid, None)
        self._spoilt.pop(uid, None)

    # -- what there is ---------------------------------------------------------------------------

    def members(self) -> Sequence[Member]:
        """Return every pod of the picture."""
        return list(self._members.values())

    def free(self) -> Mapping[str, int]:
        """Return how many idle pods nobody here has reserved, by template."""
        return {template: len(idle) for template, idle in self._idle.items()}

    def starting(self, utc_s: float, *, template: str | None = None) -> int:
        """Return how many pods are starting at that moment, of one template or of any."""
        return sum(
            member.is_starting(utc_s) and template in {None, member.template}
            for member in self._members.values()
        )

    def member(self, uid: str) -> Member | None:
        """Return the pod as the watch shows it, or None."""
        return self._members.get(uid)

    # -- reservations ----------------------------------------------------------------------------

    def take(self, template: str, *, at_random: random.Random | None = None) -> Member | None:
        """Reserve the idle pod that a launch of that template claims, or return None."""
        idle = self._idle.get(template, {}).values()
        busy = self._reasons.keys()
        member = choose(idle, template=template, busy=busy, at_random=at_random)
        if member is not None:
            self.reserve(member, "claim")
        return member

    def reserve(self, member: Member, reason: str) -> None:
        """Keep the pod from everybody else here until `release`."""
        self._reasons[member.uid] = reason
        self._unlist(member.uid)

    def release(self, member: Member, *, spoilt: bool = False) -> None:
        """Give a reserved pod back; `spoilt` until the watch shows a later version of it."""
        self._reasons.pop(member.uid, None)
        if member.uid not in self._members:
            return
        if spoilt:
            self._spoilt[member.uid] = member.pod.metadata.resource_version
        self._list(self._members[member.uid])

    def reserved(self, reason: str) -> frozenset[str]:
        """Return the uids of pods that are reserved for that reason."""
        return frozenset(uid for uid, why in self._reasons.items() if why == reason)

    def standing(self) -> Counter[tuple[str, Standing]]:
        """Return how many pods stand where, by pool."""
        return Counter((member.pool, member.standing) for member in self._members.values())

    def _list(self, member: Member) -> None:
        version = member.pod.metadata.resource_version
        usable = member.uid not in self._reasons and self._spoilt.get(member.uid) != version
        if usable and choose([member], template=member.template, busy=frozenset()) is not None:
            self._idle.setdefault(member.template, {})[member.uid] = member

    def _unlist(self, uid: str) -> None:
        member = self._members.get(uid)
        if member is None:
            return
        idle = self._idle.get(member.template, {})
        idle.pop(uid, None)
        if not idle:
            self._idle.pop(member.template, None)
