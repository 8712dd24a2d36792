"""What a pool would have done for given launches: hits, and what its idle pods cost. Pure.

It runs the pool's own rules second by second: the target of `demand`, the batch of `plan`. Left out
are the age of pods, other shapes, and quotas.
"""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tradewind.dispatch.pool.demand import IMPORT_S, Demand
from tradewind.dispatch.pool.plan import CREATE_BATCH
from tradewind.dispatch.pool.spec import PoolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a pool fared."""

    launches: int
    hits: int
    """Launches that found an idle pod."""
    idle_pod_s: float
    """Sum over all pods of the seconds they waited for a launch."""
    most_idle: int
    created: int
    lasted_s: float

    @property
    def hit_ratio(self) -> float:
        """Hits per launch; 0 without launches."""
        return self.hits / self.launches if self.launches else 0.0

    @property
    def idle_pods(self) -> float:
        """Idle pods on average."""
        return self.idle_pod_s / self.lasted_s if self.lasted_s else 0.0


def simulate(
    spec: PoolSpec, arrivals: Sequence[float], *, start_s: float, starting_most: int, lasts_s: float
) -> Course:
    """Return how the pool would have fared.

    Args:
        spec: its rules.
        arrivals: when launches come, in seconds from the beginning.
        start_s: from the create of a pod to its running container.
        starting_most: pods of the pool that may be starting at once.
        lasts_s: where the simulation ends.

    """
    times = sorted(time for time in arrivals if 0 <= time < lasts_s)
    demand = Demand(spec, now_s=0.0)
    demand.started(start_s)
    idle = hits = created = most_idle = 0
    idle_pod_s = 0.0
    ready_s: list[float] = []
    for second in range(int(lasts_s)):
        while ready_s and ready_s[0] <= second:
            ready_s.pop(0)
            idle += 1
        here = bisect.bisect_left(times, second), bisect.bisect_left(times, second + 1)
        for time in times[slice(*here)]:
            demand.arrived(time)
            if idle:
                idle, hits = idle - 1, hits + 1
        target = demand.target(float(second))
        idle = min(idle, max(0, target - len(ready_s)))
        room = min(CREATE_BATCH, starting_most - len(ready_s), target - idle - len(ready_s))
        for _ in range(room):
            ready_s.append(second + start_s + IMPORT_S)
            created += 1
        idle_pod_s += idle
        most_idle = max(most_idle, idle)
    return Course(
        launches=len(times),
        hits=hits,
        idle_pod_s=idle_pod_s,
        most_idle=most_idle,
        created=created,
        lasted_s=float(int(lasts_s)),
    )


def random_arrivals(rate: float, *, lasts_s: float, seed: int = 1) -> list[float]:
    """Return times of launches that come independently of each other, `rate` a second."""
    rng = random.Random(seed)  # noqa: S311 - the same picture every time
    times: list[float] = []
    now_s = 0.0
    while rate > 0 and (now_s := now_s + rng.expovariate(rate)) < lasts_s:
        times.append(now_s)
    return times
