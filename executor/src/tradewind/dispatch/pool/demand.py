"""How many idle pods a pool should have. Pure: time comes in as an argument.

A pool that follows the rate keeps what launches take while a replacement starts: rate x start
time, plus two standard deviations, for launches do not come evenly. One burst long ago is no rate:
to be served it needs a size, and so a price, that somebody chose.
"""

from __future__ import annotations

import math
import statistics
from collections import deque

from tradewind.dispatch.pool.spec import PoolSpec

LOOKBACK_S = 300.0
"""The rate is that of the last five minutes."""
DEVIATIONS = 2.0
"""With them more than nine in ten launches of a steady random stream find an idle pod."""
HOLD_S = 60.0
"""The target falls once it has been lower for so long: single launches leaving the lookback must
not drain pods that the next ones need again."""
FIRST_START_S = 6.0
"""Start time before any was measured."""
IMPORT_S = 2.0
"""A container that runs imports for about this long before it waits for its launch."""
_STARTS = 20


class Demand:
    """What launches have asked of one pool lately."""

    def __init__(self, spec: PoolSpec, *, now_s: float) -> None:
        self.spec = spec
        self._arrivals: deque[float] = deque()
        self._last_s = now_s
        self._starts_s: deque[float] = deque(maxlen=_STARTS)
        self._targets: deque[tuple[float, int]] = deque()

    @property
    def start_s(self) -> float:
        """Seconds from the create of a pod until it can serve."""
        typical_s = statistics.median(self._starts_s) if self._starts_s else FIRST_START_S
        return typical_s + IMPORT_S

    def arrived(self, now_s: float) -> None:
        """Note a launch that fits the pool, whether it found an idle pod or not."""
        self._arrivals.append(now_s)
        self._last_s = now_s

    def started(self, took_s: float) -> None:
        """Note how long a pod of the pool took from its create to its running container."""
        self._starts_s.append(took_s)

    def rate(self, now_s: float) -> float:
        """Return launches per second over the lookback."""
        while self._arrivals and self._arrivals[0] <= now_s - LOOKBACK_S:
            self._arrivals.popleft()
        return len(self._arrivals) / LOOKBACK_S

    def target(self, now_s: float) -> int:
        """Return the idle pods to keep now."""
        spec = self.spec
        if 0 < spec.scale_to_zero_after_s <= now_s - self._last_s:
            self._targets.clear()
            return 0
        if spec.size is not None:
            return spec.size
        wanted = for_rate(self.rate(now_s), start_s=self.start_s)
        self._targets.append((now_s, min(spec.most, max(spec.least, wanted))))
        while self._targets[0][0] < now_s - HOLD_S:
            self._targets.popleft()
        return max(target for _, target in self._targets)


def for_rate(rate: float, *, start_s: float) -> int:
    """Return the idle pods that serve `rate` launches a second while replacements start."""
    mean = rate * start_s
    return math.ceil(mean + DEVIATIONS * math.sqrt(mean))
