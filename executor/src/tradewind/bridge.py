"""The only boundary between the scheduler's thread and the loop thread.

The scheduler's thread hands commands over and takes outcomes back; it never waits for the network,
but for adoption, which has a bound. The loop thread is started by `start` and ended by `stop`. Its
parts catch their own errors; should it die all the same, `is_alive` turns False and the executor
says so at every heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from uuid import UUID

from tradewind.dispatch.dispatcher import Outcome
from tradewind.dispatch.engine import Engine, Orphan
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.stats import Stats

log = logging.getLogger(__name__)

Emit = Callable[[Outcome], None]

_STOP_WAIT_S = 5.0
_ADOPTION_SLACK_S = 2.0
_STATS_TRIES = 5


class Bridge:
    """One loop in one thread, and the two deques between it and the scheduler."""

    def __init__(self, build_engine: Callable[[Emit], Engine]) -> None:
        self._build_engine = build_engine
        self._outcomes: deque[Outcome] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._engine: Engine | None = None
        self._thread: threading.Thread | None = None
        self._main: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Start the loop thread; returns once the engine takes commands.

        Raises:
            TradewindError: the engine could not be built, for instance without credentials.

        """
        self._thread = threading.Thread(target=self._run, name="tradewind-loop", daemon=True)
        self._thread.start()
        self._ready.wait()
        # One that was built and died at once has started: `is_alive` tells of it, as of any other.
        if self._failure is not None and self._engine is None:
            self._thread.join()
            raise self._failure

    @property
    def is_alive(self) -> bool:
        """Whether the loop thread runs."""
        if self._thread is None or self._loop is None:
            return False
        return self._thread.is_alive() and not self._loop.is_closed()

    def submit(self, launches: Sequence[Launch]) -> None:
        """Queue launches. Scheduler's thread; returns at once.

        Many by one call: each call wakes the loop, and whoever wakes a busy thread waits for the
        interpreter's lock, some milliseconds each time.
        """
        self._call(*(functools.partial(_submit, launch) for launch in launches))

    def revoke(self, launch_id: UUID) -> None:
        """Forget a launch and delete its pod. Scheduler's thread; returns at once."""
        self._call(lambda engine: engine.revoke(launch_id))

    def adopt(self, orphans: Sequence[Orphan], *, wait_s: float) -> list[Orphan]:
        """Return the orphans that have no pod; the others are followed from now on.

        Scheduler's thread, inside its transaction: waits about `wait_s` seconds at most, and then
        trusts that every orphan has a pod.
        """
        loop, engine = self._loop, self._engine
        if loop is None or engine is None:
            return list(orphans)
        adoption = engine.adopt(orphans)
        try:
            future = asyncio.run_coroutine_threadsafe(adoption, loop)
        except RuntimeError:
            adoption.close()  # The loop has just died; the next one looks for these pods.
            return []
        try:
            return future.result(timeout=wait_s + _ADOPTION_SLACK_S)
        except (CancelledError, Exception) as error:  # noqa: BLE001 - see below
            # Whatever hindered it, the scheduler must go on, and to reset a task whose pod runs
            # would start it twice.
            future.cancel()
            log.warning(
                "adopting %d tasks on trust: %s", len(orphans), error or "no answer in time"
            )
            self._call(lambda engine: engine.trust(orphans))
            return []

    def resume(self, launches: Sequence[Launch | Orphan]) -> None:
        """Go on with the launches of a loop that died. Scheduler's thread; returns at once."""
        loop, engine = self._loop, self._engine
        if loop is not None and engine is not None:
            asyncio.run_coroutine_threadsafe(engine.resume(launches), loop)

    def drain(self) -> list[Outcome]:
        """Return the outcomes that arrived since the last call. Scheduler's thread."""
        outcomes = []
        while self._outcomes:
            outcomes.append(self._outcomes.popleft())
        return outcomes

    def stop(self) -> None:
        """End the loop thread; pods go on running. A no-op when it never started."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        with contextlib.suppress(RuntimeError):  # The loop died before.
            loop.call_soon_threadsafe(self._cancel)
        thread.join(timeout=_STOP_WAIT_S)
        if thread.is_alive():
            log.warning("the loop thread did not end within %.0f s", _STOP_WAIT_S)
        self._loop = self._engine = self._thread = None

    def stats(self) -> Stats | None:
        """Return the dispatcher's figures of this moment. Any thread.

        Taken while the loop thread goes on: sums may be off by a launch. None before the start,
        and in the rare case that the figures change too fast to be read.
        """
        engine = self._engine
        if engine is None:
            return None
        for _ in range(_STATS_TRIES):
            with contextlib.suppress(RuntimeError):  # A mapping changed while it was read.
                return engine.stats()
        return None

    def _call(self, *commands: Callable[[Engine], None]) -> None:
        loop, engine = self._loop, self._engine
        if loop is None or engine is None:
            raise RuntimeError("the executor was not started: call start() first")
        with contextlib.suppress(RuntimeError):
            # The loop may just have died; `is_alive` tells, and the next one is told again.
            loop.call_soon_threadsafe(_guarded, commands, engine)

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                log.exception("the loop thread died")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._main = asyncio.current_task()
        self._engine = self._build_engine(self._outcomes.append)
        self._loop = asyncio.get_running_loop()
        self._ready.set()
        await self._engine.run()


def _submit(launch: Launch, engine: Engine) -> None:
    engine.submit(launch)


def _guarded(commands: Sequence[Callable[[Engine], None]], engine: Engine) -> None:
    """Run commands; what one raises concerns its own launch alone."""
    for command in commands:
        try:
            command(engine)
        except Exception:
            log.exception("a command of the scheduler failed on the loop thread")
