"""What people ask about warm pools: how they stand, what they cost, what another size would do.

For command lines, which have no started executor. Nothing here imports Airflow: what its database
says comes in as arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tradewind.client.errors import ClusterError
from tradewind.client.paging import pods_of
from tradewind.client.protocol import Cluster
from tradewind.config import Settings
from tradewind.contract import Measured
from tradewind.dispatch.pool import pools, spec
from tradewind.dispatch.pool.members import SELECTOR, Member, Standing, member_of
from tradewind.dispatch.pool.simulation import Course, simulate
from tradewind.dispatch.pool.spec import PoolSpec
from tradewind.dispatch.pool.writes import mark_draining
from tradewind.pods import labels, quantities

if TYPE_CHECKING:
    from rich.console import RenderableType

HOUR_S = 3600.0
SIZES = (1, 2, 5, 10, 20)
"""Pools of these sizes are simulated beside those of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """One pool now."""

    name: str
    wanted: str
    """Its size, or the bounds between which it follows the rate; empty of one nobody wants."""
    idle: int
    starting: int
    leaving: int
    oldest_s: float
    """Age of its oldest idle pod."""
    memory_bytes: int
    """What its pods request, idle and starting ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All pools of one executor, and how launches fared lately."""

    pools: Sequence[PoolStatus]
    idle_pod_s_per_hour: float
    """What the pods that are idle or starting now cost if they stay: one for an hour is 3600."""
    memory_bytes: int
    warm: int
    """Launches that ended lately and had a pod of a pool."""
    cold: int
    misses: dict[str, int]
    """Of the cold ones, why, where they said so."""
    window_s: float
    """What "lately" is."""

    @property
    def hit_ratio(self) -> float | None:
        """Warm launches per launch, or None without any."""
        count = self.warm + self.cold
        return self.warm / count if count else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, units in their names."""
        return asdict(self) | {"hit_ratio": self.hit_ratio}


async def idle_members(cluster: Cluster, settings: Settings, *, team: str) -> list[Member]:
    """Return the pods of this executor's pools that have no launch.

    Raises:
        ClusterError: the API server refused or did not answer.

    """
    found = await pods_of(
        cluster,
        selector=SELECTOR,
        namespaces=settings.watched_namespaces or ("",),
        page_size=settings.list_page_size,
    )
    return [
        member_of(pod)
        for pod in found
        if pod.metadata.labels.get(labels.INSTALLATION, "") == settings.installation
        and spec.is_of_team(pod.metadata.labels.get(labels.POOL, ""), team)
    ]


def wanted(settings: Settings, *, team: str) -> list[PoolSpec]:
    """Return the pools that the settings name.

    Raises:
        ConfigError: the setting is unusable.

    """
    return list(pools.loader(settings, team=team)().values())


def status(
    specs: Iterable[PoolSpec],
    members: Sequence[Member],
    measured: Iterable[Measured],
    *,
    now_s: float,
    window_s: float,
) -> Status:
    """Return how the pools stand.

    Args:
        specs: the pools that are wanted.
        members: their pods; see `idle_members`.
        measured: launches that ended within the last `window_s`.
        now_s: seconds since 1970.
        window_s: see `Status`.

    """
    by_name = {one.name: _bounds(one) for one in specs}
    names = [*by_name, *sorted({member.pool for member in members} - by_name.keys())]
    found = [_pool(name, by_name.get(name, ""), members, now_s) for name in names]
    launches = list(measured)
    misses = Counter(one.miss for one in launches if one.temperature == "cold" and one.miss)
    return Status(
        pools=found,
        idle_pod_s_per_hour=HOUR_S * sum(pool.idle + pool.starting for pool in found),
        memory_bytes=sum(pool.memory_bytes for pool in found),
        warm=sum(one.temperature == "warm" for one in launches),
        cold=sum(one.temperature == "cold" for one in launches),
        misses=dict(misses.most_common()),
        window_s=window_s,
    )


def _pool(name: str, bounds: str, members: Sequence[Member], now_s: float) -> PoolStatus:
    own = [member for member in members if member.pool == name]
    standing = Counter(member.standing for member in own)
    alive = [m for m in own if m.standing in {Standing.IDLE, Standing.STARTING}]
    ages = [now_s - member.created_s for member in own if member.standing is Standing.IDLE]
    return PoolStatus(
        name=name,
        wanted=bounds,
        idle=standing[Standing.IDLE],
        starting=standing[Standing.STARTING],
        leaving=standing[Standing.DRAINING] + standing[Standing.ENDED],
        oldest_s=max(ages, default=0.0),
        memory_bytes=sum(_memory(member) for member in alive),
    )


def _bounds(pool: PoolSpec) -> str:
    return f"{pool.least} to {pool.most}" if pool.size is None else str(pool.size)


def _memory(member: Member) -> int:
    total = 0
    for container in member.pod.spec.containers:
        try:
            total += int(quantities.parse(str(container.resources.requests["memory"])))
        except (KeyError, ValueError):
            continue  # Nothing is requested, or in a unit that nobody knows.
    return total


async def drain(cluster: Cluster, members: Sequence[Member], *, tell: Callable[[str], None]) -> int:
    """Let idle pods go and return how many did; one that a launch claims first stays its own."""
    drained = 0
    for member in members:
        metadata = member.pod.metadata
        name = f"{metadata.namespace}/{metadata.name}"
        try:
            marked = await mark_draining(cluster, member.pod)
            if marked is None:
                tell(f"left {name}: it was claimed, or is gone")
                continue
            await cluster.delete_pod(metadata.namespace, metadata.name, uid=metadata.uid)
        except ClusterError as error:
            tell(f"cannot drain {name}: {error}")
        else:
            drained += 1
            tell(f"drained {name} of pool {member.pool}")
    return drained


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rule for a pool and how it would have fared."""

    rule: str
    course: Course

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, units in their names."""
        course = self.course
        ratios = {"hit_ratio": course.hit_ratio, "idle_pods": course.idle_pods}
        return {"rule": self.rule} | asdict(course) | ratios


def trials(
    specs: Iterable[PoolSpec],
    arrivals: Sequence[float],
    *,
    start_s: float,
    starting_most: int,
    most: int,
    lasts_s: float,
) -> list[Trial]:
    """Return what no pool, fixed sizes, the rate up to `most`, and the `specs` would have done.

    Args:
        specs: the pools of the settings, each tried with all arrivals.
        arrivals: when launches came, in seconds from the beginning.
        start_s: from the create of a pod to its running container.
        starting_most: pods of a pool that may be starting at once.
        most: pods that the rule may keep that follows the rate.
        lasts_s: how long launches were looked at.

    """
    rules = {f"size {size}": _rule(size) for size in (0, *(s for s in SIZES if s <= most))}
    rules[f"auto, max {most}"] = _rule({"size": spec.AUTO, "max": most})
    rules |= {f"pool {one.name}": one for one in specs}
    return [
        Trial(
            rule=rule,
            course=simulate(
                one, arrivals, start_s=start_s, starting_most=starting_most, lasts_s=lasts_s
            ),
        )
        for rule, one in rules.items()
    ]


def _rule(said: Any) -> PoolSpec:
    return spec.parse({"trial": said}, "trial", max_age_s=HOUR_S)["trial"]


def status_tables(found: Status) -> list[RenderableType]:
    """Return the status as a table and lines for a terminal."""
    from rich.table import Table  # noqa: PLC0415 - every `airflow` command would pay for it

    table = Table("pool", "wanted", "idle", "starting", "leaving", "oldest", "memory requested")
    for pool in found.pools:
        counts = (str(count) for count in (pool.idle, pool.starting, pool.leaving))
        table.add_row(
            pool.name,
            pool.wanted or "not any more",
            *counts,
            f"{pool.oldest_s / 60:.0f} min",
            _mebibytes(pool.memory_bytes),
        )
    cost = (
        f"Idle pods cost {found.idle_pod_s_per_hour:.0f} pod-seconds an hour and hold "
        f"{_mebibytes(found.memory_bytes)} of memory."
    )
    return [table, cost, _fared(found)]


def _fared(found: Status) -> str:
    minutes = f"the last {found.window_s / 60:.0f} minutes"
    if found.hit_ratio is None:
        return f"No launch was measured in {minutes}."
    why = ", ".join(f"{reason} {count}" for reason, count in found.misses.items())
    return f"In {minutes} {found.hit_ratio:.0%} of {found.warm + found.cold} launches were warm" + (
        f"; cold were, by reason: {why}." if why else "."
    )


def trial_table(found: Sequence[Trial]) -> RenderableType:
    """Return the trials as a table for a terminal."""
    from rich.table import Table  # noqa: PLC0415 - same

    table = Table("rule", "launches", "warm", "idle pods", "pod-seconds idle", "most", "created")
    for trial in found:
        course = trial.course
        figures = (course.idle_pod_s, course.most_idle, course.created)
        table.add_row(
            trial.rule,
            str(course.launches),
            f"{course.hit_ratio:.0%}",
            f"{course.idle_pods:.1f}",
            *(f"{figure:.0f}" for figure in figures),
        )
    return table


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB"
