"""An event loop whose time passes only while nothing else is left to do, and then at once.

Fifteen minutes of back-offs take milliseconds, and the same program takes the same steps every
time: work given to threads runs at once, in the loop's own thread.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any, TypeVar

_Result = TypeVar("_Result")

_EPOCH_S = 1_767_225_600.0
"""2026-01-01T00:00:00Z: what the wall clock shows when a virtual loop begins."""


def timestamp() -> str:
    """Return the time of the running loop as the API server writes it: whole seconds, UTC.

    Only a virtual loop's time is one that a clock would show: on any other, whose time is how long
    the machine has been up, it stands still.
    """
    loop = asyncio.get_running_loop()
    passed_s = int(loop.time()) if isinstance(loop, VirtualLoop) else 0
    now = datetime.fromtimestamp(_EPOCH_S + passed_s, tz=UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


_THREADS_WITHIN_S = 0.2
"""Real time that a thread may take before virtual time goes on without it."""


class _Selector(selectors.DefaultSelector):
    """Reports what is ready, and otherwise lets the time pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._threads = threading.active_count()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if threading.active_count() > self._threads:
            # Users' code runs on real threads: hours of virtual time must not pass meanwhile.
            ready = super().select(_THREADS_WITHIN_S)
            if ready:
                return ready
        if timeout is None:
            raise RuntimeError("every task waits for something that nothing is left to bring about")
        self.now_s += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` begins at zero."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._virtual.now_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., _Result], *args: Any
    ) -> asyncio.Future[_Result]:
        """Call `func` now, in this thread: its result must not depend on how threads race."""
        del executor
        future: asyncio.Future[_Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future


class VirtualClock:
    """The clock of the running virtual loop."""

    def now_s(self) -> float:
        """Return monotonic seconds; only differences mean anything."""
        return asyncio.get_running_loop().time()

    def utc_s(self) -> float:
        """Return seconds since 1970."""
        return _EPOCH_S + self.now_s()

    async def sleep(self, seconds: float) -> None:
        """Suspend the calling task for `seconds`."""
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once after `seconds`."""
        asyncio.get_running_loop().call_later(seconds, callback)


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Return the coroutine's result, run in virtual time to its end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


async def eventually(claim: Callable[[], object], *, within_s: float = 3600.0) -> None:
    """Return as soon as the claim holds.

    Raises:
        TimeoutError: it does not hold within that much virtual time.

    """
    pause_s = 0.01
    async with asyncio.timeout(within_s):
        while not claim():
            await asyncio.sleep(pause_s)
            pause_s = min(1.0, pause_s * 1.2)
