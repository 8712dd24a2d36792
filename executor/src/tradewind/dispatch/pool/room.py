"""When a pool may ask for more pods, and for how many. Pure: time comes in as an argument.

A pool comes last: behind launches that wait for a start or a quota, behind the claims it is there
for, and behind its own failures.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tradewind.dispatch.pool.plan import CREATE_BATCH

SHADOW_S = 3.0
"""A launch that has just got its pod needs the node's processors more than its replacement does."""
MOST_SHADOW_S = 5.0
"""A pool that is short for so long and less than half full is refilled although claims go on: they
would drain it for good."""
BESIDE_CLAIMS = 4
"""One in so many of a pool's starts, and at least one, goes on beside claims then: on two cores a
batch of four that imported took the tasks that were claimed meanwhile from 0.2 to 0.7 s."""
FIRST_HOLD_S = 5.0
MOST_HOLD_S = 300.0
FIRST_CEILING_S = 30.0
"""How long a pool stays as large as its quota allowed before it asks for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What stands in a pool's way at one moment."""

    launches_wait: bool
    """Whether a launch waits to start cold, or for a quota to have room."""
    is_down: bool
    """Whether the API server is presumed down, or the endpoint at which pods board."""
    claims_in_flight: int
    claimed: int
    """Launches whose claimed pod has not begun their task yet."""
    since_claim_s: float
    short_for_s: float
    """How long the pool has had fewer pods than it wants."""
    is_half_full: bool
    starting: int
    """Pods of pools that start now, those being created included."""
    starting_most: int
    """How many of them may."""
    start_room: int
    """How many more pods of any kind the nodes can feed at once."""


def may_create(pressure: Pressure) -> int:
    """Return how many pods the pool may create now."""
    if pressure.launches_wait or pressure.is_down:
        return 0
    claims = pressure.claims_in_flight + pressure.claimed
    in_shadow = claims > 0 or pressure.since_claim_s < SHADOW_S
    if in_shadow and (pressure.is_half_full or pressure.short_for_s < MOST_SHADOW_S):
        return 0
    most = pressure.starting_most
    if in_shadow:
        most = min(most, max(1, most // BESIDE_CLAIMS))
    room = min(most - pressure.starting, pressure.start_room)
    return max(0, min(CREATE_BATCH, room))


@dataclass(slots=True)
class _Hold:
    until_s: float
    wait_s: float
    what: str


@dataclass(slots=True)
class Holds:
    """Pools that wait after a failure, ever longer while failures go on."""

    _holds: dict[str, _Hold] = field(default_factory=dict)

    def failed(self, pool: str, what: str, *, now_s: float) -> bool:
        """Let the pool wait; True when it is news to whoever reads the log what went wrong."""
        before = self._holds.get(pool)
        if before is not None and now_s < before.until_s:
            return False  # Another pod of the same batch: one failure.
        wait_s = FIRST_HOLD_S if before is None else min(MOST_HOLD_S, before.wait_s * 2)
        self._holds[pool] = _Hold(until_s=now_s + wait_s, wait_s=wait_s, what=what)
        return before is None or before.what != what

    def worked(self, pool: str) -> None:
        """Take note that pods of the pool live."""
        self._holds.pop(pool, None)

    def holds(self, pool: str, *, now_s: float) -> bool:
        """Whether the pool has to wait."""
        hold = self._holds.get(pool)
        return hold is not None and now_s < hold.until_s

    def wait_s(self, pool: str, *, now_s: float) -> float:
        """Return how long it still has to wait."""
        hold = self._holds.get(pool)
        return 0.0 if hold is None else max(0.0, hold.until_s - now_s)


@dataclass(slots=True)
class Shortage:
    """Since when each pool has had too few pods."""

    _since_s: dict[str, float] = field(default_factory=dict)

    def lasts_s(self, pool: str, *, is_short: bool, now_s: float) -> float:
        """Note whether the pool is short, and return for how long it has been."""
        if not is_short:
            self._since_s.pop(pool, None)
            return 0.0
        return now_s - self._since_s.setdefault(pool, now_s)


@dataclass(slots=True)
class _Ceiling:
    pods: int
    until_s: float
    wait_s: float


@dataclass(slots=True)
class Ceilings:
    """How far a quota lets pools grow: up to there a pool is refilled, beyond it asks seldom."""

    _ceilings: dict[str, _Ceiling] = field(default_factory=dict)

    def refused(self, pool: str, *, alive: int, now_s: float) -> bool:
        """Note that the quota refused one more beside `alive` pods; True when that is news."""
        before = self._ceilings.get(pool)
        wait_s = FIRST_CEILING_S
        if before is not None:
            wait_s = before.wait_s if now_s < before.until_s else before.wait_s * 2
        wait_s = min(MOST_HOLD_S, wait_s)
        self._ceilings[pool] = _Ceiling(pods=alive, until_s=now_s + wait_s, wait_s=wait_s)
        return before is None

    def room(self, pool: str, *, alive: int, now_s: float) -> int:
        """Return how many more pods the quota is known to leave room for, as far as is known."""
        ceiling = self._ceilings.get(pool)
        if ceiling is None or now_s >= ceiling.until_s:
            return CREATE_BATCH
        return max(0, ceiling.pods - alive)

    def reached(self, pool: str, *, alive: int) -> None:
        """Forget a ceiling that the pool has grown beyond."""
        ceiling = self._ceilings.get(pool)
        if ceiling is not None and alive > ceiling.pods:
            del self._ceilings[pool]
