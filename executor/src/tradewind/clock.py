"""Time as a dependency: production passes `SystemClock`, tests a clock they advance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """What the loop thread may know about time."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""
        ...

    def utc_s(self) -> float:
        """Return seconds since 1970, to compare with timestamps of the API server only."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once after `seconds`, on the loop thread."""
        ...


class SystemClock:
    """The real clock."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""
        return time.monotonic()

    def utc_s(self) -> float:
        """Return seconds since 1970, to compare with timestamps of the API server only."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once after `seconds`, on the loop thread."""
        asyncio.get_running_loop().call_later(seconds, callback)
