"""Leave an API server alone that does not answer: one probe at a time until it does. Pure."""

from __future__ import annotations

import math
import random

TRIP_AFTER = 3
"""Calls in a row without an answer that open the breaker."""
FIRST_WAIT_S = 1.0
MOST_WAIT_S = 15.0


class Breaker:
    """Closed while the server answers; open between two probes while it does not."""

    def __init__(self, *, rng: random.Random) -> None:
        self._rng = rng
        self._unanswered = 0
        self._openings = 0
        self._until_s = -math.inf
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the server is presumed down."""
        return self._openings > 0

    def hold_s(self, now_s: float) -> float:
        """Return 0 when a call may begin, infinity when a probe must end first, else the wait."""
        if not self.is_open:
            return 0.0
        if self._probing:
            return math.inf
        return max(0.0, self._until_s - now_s)

    def begin(self) -> bool:
        """Note the begin of a call; True when it is the probe."""
        self._probing = self.is_open
        return self._probing

    def cancelled(self, *, probe: bool) -> None:
        """Note that the call was never made."""
        if probe:
            self._probing = False

    def answered(self) -> None:
        """Close: any answer shows that the server is there."""
        self._unanswered = self._openings = 0
        self._probing = False

    def unanswered(self, now_s: float, *, probe: bool) -> None:
        """Count a call without an answer; a late one from before the opening changes nothing."""
        if self.is_open and not probe:
            return
        self._probing = False
        self._unanswered += 1
        if self._unanswered >= TRIP_AFTER or probe:
            wait_s = min(MOST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._openings, 10))
            self._until_s = now_s + wait_s * self._rng.uniform(0.75, 1.0)
            self._openings += 1
