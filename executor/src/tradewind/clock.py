"""Time as a dependency: production passes `SystemClock`, tests a clock they advance."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the loop thread may know about time."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        ...


class SystemClock:
    """The real clock."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        await asyncio.sleep(seconds)
