"""Decide what a warm pool does next. Pure: no clock, no I/O, no logging.

Invariants: never more creates than the batch in one pass; a claimed pod is never ours to delete;
what is drained may still be claimed first, and then is not ours any more. Too many pods are worse
than too few, so that creates which the watch does not show yet mean: create nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from tradewind.dispatch.pool.members import Member, Standing

CREATE_BATCH = 4
"""Creates of one pool in one pass, and so the most by which two refillers can overshoot."""
DRAIN_BATCH = 20
"""Drains of one pool in one pass."""
JITTER = 0.2
"""Idle pods are replaced at 80 to 100 % of the greatest age: not all at once."""
HELD_UP_FOR_S = 30.0
"""A pod that no node takes, or that cannot start, goes after so long: in time for the launches that
would wait behind it."""
NOT_STARTING = "it does not start"
"""Reason of that."""
HARD_AGE = 2.0
"""From this multiple of the greatest age on a pod goes even if no other can take its place."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create so many pods."""

    count: int


@dataclass(frozen=True, slots=True)
class Drain:
    """Mark the pod as draining unless it was claimed meanwhile, then delete it."""

    member: Member
    reason: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the pod: nobody can claim it any more."""

    member: Member
    reason: str


Leave = Drain | Delete
Action = Create | Leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the pool should look like, and what stands in the way."""

    target: int
    """Idle pods."""
    template: str
    """Hash of what its pods are rendered from now."""
    priority_class: str = ""
    """PriorityClass its idle pods must have; empty when the pool names none."""
    max_age_s: float
    may_create: int = CREATE_BATCH
    """Creates that quota, cold starts and the pace leave room for now."""
    unseen: int = 0
    """Creates under way, or whose pods the watch does not show yet."""
    claiming: frozenset[str] = frozenset()
    """Uids of pods that launches here are claiming right now; a claim may still fail."""
    draining: frozenset[str] = frozenset()
    """Uids of pods that are being told to go right now."""


def plan(wanted: Wanted, members: Sequence[Member], *, now_s: float) -> list[Action]:
    """Return the actions that move the pool towards what is wanted; what goes comes first.

    Args:
        wanted: see there.
        members: the pool's pods; claimed ones are left alone.
        now_s: seconds since 1970, to compare with the pods' creation.

    """
    busy = wanted.claiming | wanted.draining
    here = [member for member in members if not member.is_leaving and member.uid not in busy]
    leaving = _dead(here) + _stale(here, wanted) + _stuck(here, wanted, now_s)
    gone = {action.member.uid for action in leaving}
    useful = [member for member in here if _is_useful(member, wanted) and member.uid not in gone]
    if wanted.unseen == 0:
        useful, surplus = _split_surplus(useful, wanted.target)
        leaving += [Drain(member, "surplus") for member in surplus]
    leaving += _aged(useful, wanted, now_s)
    actions: list[Action] = [*leaving[:DRAIN_BATCH]]
    being_claimed = sum(member.uid in wanted.claiming for member in members)
    short = wanted.target - len(useful) - being_claimed
    count = min(short, wanted.may_create, CREATE_BATCH)
    if count > 0 and wanted.unseen == 0:
        actions.append(Create(count))
    return actions


def _dead(members: Sequence[Member]) -> list[Leave]:
    reasons = {Standing.ENDED: "ended without a launch", Standing.DRAINING: "drained"}
    return [Delete(m, reasons[m.standing]) for m in members if m.standing in reasons]


def _stale(members: Sequence[Member], wanted: Wanted) -> list[Leave]:
    return [
        Drain(member, "stale")
        for member in members
        if member.standing in _ALIVE and not _is_current(member, wanted)
    ]


_ALIVE = frozenset({Standing.IDLE, Standing.STARTING})


def _stuck(members: Sequence[Member], wanted: Wanted, now_s: float) -> list[Leave]:
    return [
        Drain(member, NOT_STARTING)
        for member in members
        if member.is_held_up
        and _is_current(member, wanted)
        and now_s - member.created_s >= HELD_UP_FOR_S
    ]


def _is_useful(member: Member, wanted: Wanted) -> bool:
    return member.standing in _ALIVE and _is_current(member, wanted)


def _is_current(member: Member, wanted: Wanted) -> bool:
    has_class = member.pod.spec.priority_class_name
    return member.template == wanted.template and wanted.priority_class in {"", has_class}


def _split_surplus(members: Sequence[Member], target: int) -> tuple[list[Member], list[Member]]:
    """Return what stays and what goes: pods that do not run yet first, then the oldest."""
    by_worth = sorted(members, key=lambda m: (m.standing is Standing.STARTING, -m.created_s))
    return by_worth[:target], by_worth[target:]


def _aged(members: Sequence[Member], wanted: Wanted, now_s: float) -> list[Leave]:
    """Return the pods that are too old: one at a time, and only from a full pool."""
    ages = {m.uid: (now_s - m.created_s) / wanted.max_age_s for m in members}
    hopeless = [m for m in members if ages[m.uid] >= HARD_AGE]
    if hopeless:
        return [Drain(member, "too old") for member in hopeless]
    is_full = len(members) >= wanted.target and wanted.unseen == 0
    if not is_full or any(m.standing is Standing.STARTING for m in members):
        return []
    old = [m for m in members if ages[m.uid] >= 1 - JITTER * m.lives]
    return [Drain(member, "too old") for member in sorted(old, key=lambda m: m.created_s)[:1]]


def sacrifice(
    members: Sequence[Member],
    *,
    namespace: str,
    parked: int,
    claiming: AbstractSet[str],
    draining: AbstractSet[str],
) -> list[Member]:
    """Return idle pods that go so that launches which a quota refuses have room: one for each.

    Args:
        members: of all pools.
        namespace: whose quota is full.
        parked: launches that wait for room there.
        claiming: uids of pods that launches here are claiming right now.
        draining: uids of pods that are being told to go right now.

    """
    there = [m for m in members if m.pod.metadata.namespace == namespace]
    going = [m for m in there if m.standing is Standing.DRAINING or m.uid in draining]
    free = [m for m in there if m.standing in _ALIVE and m.uid not in claiming | draining]
    by_worth = sorted(free, key=lambda m: (m.standing is Standing.IDLE, m.created_s))
    return by_worth[: max(0, parked - len(going))]
