"""Run code of users beside the loop, for a bounded time. Loop thread only.

A thread cannot be ended from outside, so one that takes too long is left behind, as a daemon that
keeps no process alive. While a few are left behind, no more are started: code that hangs for every
task must not fill the scheduler with threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar, cast

from tradewind.errors import ConfigError

T = TypeVar("T")

MOST_LEFT_BEHIND = 4


class UserCode:
    """Runs functions on threads of their own."""

    def __init__(self, *, timeout_s: float, remedy: str) -> None:
        """Bound each run; `remedy` tells what to do about one that took too long."""
        self._timeout_s = timeout_s
        self._remedy = remedy
        self._left_behind = 0

    async def run(self, function: Callable[[], T], *, title: str) -> T:
        """Return what `function` returns; `title` is what an error calls it.

        Raises:
            ConfigError: it raised, or took longer than the bound; a `ConfigError` of its own
                passes as it is.

        """
        if self._left_behind >= MOST_LEFT_BEHIND:
            raise ConfigError(
                f"{title} was not run: {self._left_behind} earlier runs have not ended: mend it "
                "and restart the scheduler"
            )
        ended = self._start(function, title)
        done, _ = await asyncio.wait([ended], timeout=self._timeout_s)
        if not done:
            self._left_behind += 1
            ended.add_done_callback(self._came_back)
            raise ConfigError(f"{title} did not end within {self._timeout_s:g} s: {self._remedy}")
        try:
            return ended.result()
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(
                f"{title} failed ({type(error).__name__}: {error}): correct it"
            ) from error

    def _start(self, function: Callable[[], T], title: str) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[T] = loop.create_future()

        def settle(answer: T | None, error: Exception | None) -> None:
            if ended.cancelled():
                return
            if error is not None:
                ended.set_exception(error)
            else:
                ended.set_result(cast("T", answer))

        def work() -> None:
            answer, failure = None, None
            try:
                answer = function()
            except BaseException as error:  # noqa: BLE001 - even SystemExit is this launch's alone
                failure = _plain(error)
            with contextlib.suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(settle, answer, failure)

        threading.Thread(target=work, name=title, daemon=True).start()
        return ended

    def _came_back(self, ended: asyncio.Future[T]) -> None:
        self._left_behind -= 1
        if not ended.cancelled():
            ended.exception()  # Retrieved, so that asyncio does not complain about it.


def _plain(error: BaseException) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
