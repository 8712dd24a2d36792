"""The pods of a pool as data: where each stands, and whose they are. Pure.

Labels are the state: an idle pod has the label of its pool and no launch id, a draining one says so
as well, a claimed one has a launch id and is no member any more. There is no way back to idle.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum, auto

from tradewind.client.models import Pod
from tradewind.dispatch.gates.gates import is_held_up
from tradewind.pods import labels, state
from tradewind.pods.state import PodState

IMPORTS_WITHIN_S = 60.0
"""A worker that runs for so long is taken for a waiting one, whatever its probe says: it may be one
that cannot pass, and the pool would never fill."""
SELECTOR = f"{labels.POOL},!{labels.LAUNCH_ID}"
"""Pods of pools that no launch has claimed."""


class Standing(Enum):
    """Where a pod of a pool stands."""

    STARTING = auto()
    """Its container does not run yet, or its worker still imports."""
    IDLE = auto()
    """Its worker waits."""
    DRAINING = auto()
    """Told to go; nobody may claim it."""
    ENDED = auto()
    """Its container has ended without a launch."""
    CLAIMED = auto()
    """A launch has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One pod of a pool."""

    pod: Pod
    standing: Standing
    pool: str
    template: str
    """Hash of what it was rendered from."""
    created_s: float
    """Seconds since 1970; infinity where nothing tells."""
    lives: float
    """In [0, 1), the same for the same pod: spreads what would hit all pods at once."""

    @property
    def uid(self) -> str:
        """The pod's."""
        return self.pod.metadata.uid

    @property
    def is_claimable(self) -> bool:
        """Whether a launch may have it: one that still imports is sooner ready than a new pod."""
        runs = state.of(self.pod) is PodState.RUNNING
        is_alive = self.standing in {Standing.IDLE, Standing.STARTING}
        return is_alive and runs and not self.is_leaving

    def is_starting(self, utc_s: float) -> bool:
        """Whether it takes from its node what a start takes, at that moment."""
        if self.standing is not Standing.STARTING:
            return False
        return utc_s - state.running_since_s(self.pod) < IMPORTS_WITHIN_S

    @property
    def is_held_up(self) -> bool:
        """Whether it waits to start for something other than its node's attention."""
        return self.standing is Standing.STARTING and is_held_up(self.pod)

    @property
    def is_leaving(self) -> bool:
        """Whether it was deleted and its node has not let go of it yet."""
        return self.pod.metadata.deletion_timestamp is not None


def member_of(pod: Pod) -> Member:
    """Return the pod as a member; those without the labels are of the pool ""."""
    metadata = pod.metadata
    return Member(
        pod=pod,
        standing=_standing(pod),
        pool=metadata.labels.get(labels.POOL, ""),
        template=metadata.labels.get(labels.TEMPLATE, ""),
        created_s=state.seconds(metadata.creation_timestamp),
        lives=zlib.crc32(metadata.uid.encode()) / 2**32,
    )


def choose(
    members: Iterable[Member],
    *,
    template: str,
    busy: AbstractSet[str],
    at_random: random.Random | None = None,
) -> Member | None:
    """Return the pod that a launch of that shape claims, or None when there is none.

    The oldest of those that wait: it is the next to be replaced for its age. Where none waits, the
    oldest that imports.

    Args:
        members: of any pool and shape.
        template: hash of the launch's pod.
        busy: uids of pods somebody here is claiming or draining right now.
        at_random: chooses any of them, while others want the oldest as well.

    """
    fit = [
        member
        for member in members
        if member.is_claimable and member.template == template and member.uid not in busy
    ]
    fit = [member for member in fit if member.standing is Standing.IDLE] or fit
    if fit and at_random is not None:
        return at_random.choice(fit)
    return min(fit, key=lambda member: (member.created_s, member.pod.metadata.name), default=None)


def _standing(pod: Pod) -> Standing:
    marks = pod.metadata.labels
    if labels.LAUNCH_ID in marks:
        return Standing.CLAIMED
    where = state.of(pod)
    if where.has_ended:
        return Standing.ENDED
    if marks.get(labels.DRAINING) == "true" or where is PodState.DELETING:
        return Standing.DRAINING
    return Standing.IDLE if state.is_ready(pod) else Standing.STARTING
