"""How many creates may be in flight: additive increase, multiplicative decrease. Pure.

A throttled or slow answer halves the window, each good one widens it by a fraction, so that it
hovers at what the API server takes. Answers to calls that began before the last cut do not cut
again: one overload is one signal, however many calls it hit.
"""

from __future__ import annotations

import math
import random

SLOW_S = 3.0
"""An answer that took longer counts as a sign of overload."""
PAUSE_S = 1.0
"""How long a throttling server is left alone when it does not say."""
_JITTER = 0.25


class Window:
    """Slots for calls, between one and `most`."""

    def __init__(self, *, most: int, rng: random.Random) -> None:
        self._most = float(most)
        self._limit = float(most)
        self._rng = rng
        self._cut_s = -math.inf
        self._paused_until_s = -math.inf
        self.in_flight = 0

    @property
    def limit(self) -> int:
        """Calls that may be in flight now."""
        return int(self._limit)

    def hold_s(self, now_s: float) -> float:
        """Return 0 when a call may begin, infinity when one must end first, else the wait."""
        if now_s < self._paused_until_s:
            return self._paused_until_s - now_s
        return 0.0 if self.in_flight < self.limit else math.inf

    def begin(self) -> None:
        """Take a slot."""
        self.in_flight += 1

    def cancelled(self) -> None:
        """Give the slot back: the call was never made."""
        self.in_flight -= 1

    def answered(self, *, began_s: float, now_s: float) -> None:
        """Give the slot back after an answer that shows no overload, unless it was slow."""
        self.in_flight -= 1
        if now_s - began_s > SLOW_S:
            self._cut(began_s, now_s)
        else:
            self._limit = min(self._most, self._limit + 1 / self._limit)

    def pushed_back(self, *, began_s: float, now_s: float, pause_s: float) -> None:
        """Give the slot back after a sign of overload; nothing is sent for `pause_s`."""
        self.in_flight -= 1
        self._cut(began_s, now_s)
        if pause_s > 0:
            # Others were told the same number: spread out, so that we do not all return at once.
            pause_s *= 1 + _JITTER * self._rng.random()
            self._paused_until_s = max(self._paused_until_s, now_s + pause_s)

    def _cut(self, began_s: float, now_s: float) -> None:
        if began_s >= self._cut_s:
            self._limit = max(1.0, self._limit / 2)
            self._cut_s = now_s
