"""The thread that sends log files to Loki. Any thread may call; none waits but in `flush`."""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tradewind.logs import identity
from tradewind.logs.client import LokiClient
from tradewind.logs.reader import TryReader
from tradewind.logs.sender import Sender
from tradewind.logs.settings import LokiSettings
from tradewind.logs.spool import Spool

log = logging.getLogger(__name__)

_LOOK_S = 0.05
"""How often a flush looks whether all is sent."""
_CLOCKS_NS = 10**9
_PAUSE_S = 2.0
"""The longest pause between attempts that somebody waits for."""


class Shipper:
    """Follows log files below one folder; its thread begins with the first of them."""

    def __init__(
        self,
        settings: LokiSettings,
        *,
        folder: Path,
        on_lost: Callable[[int], None] = lambda _: None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take the folder that relative paths start from; `on_lost` is told of missing lines."""
        self._settings = settings
        self._folder = folder
        self._on_lost = on_lost
        self._now_ns = now_ns
        self._client = LokiClient(settings)
        self._sender = Sender(
            self._client.push,
            environment=settings.environment,
            clock=time.monotonic,
            jitter=random.SystemRandom().random,
            on_refused=on_lost,
            read=TryReader(self._client, settings.environment),
        )
        self._spools: dict[str, Spool | None] = {}
        self._lock = threading.Lock()
        self._urged = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()

    def follow(self, path: str, *, offset: int) -> None:
        """Send what is written behind `offset` bytes of the file from now on. Quick, again too."""
        if path not in self._spools:
            with self._lock:
                self._begin(path, offset)

    def flush(self, path: str, *, timeout_s: float | None = None) -> int:
        """Send the rest of the file and forget it; return how many lines could not be sent.

        Waits for `timeout_s`, the setting by default, which bounds what an outage of Loki may hold
        up at the end of a task.
        """
        spool = self._spools.get(path)
        if spool is None:
            return 0
        within_s = self._settings.flush_timeout_s if timeout_s is None else timeout_s
        until = time.monotonic() + within_s
        while not spool.is_drained and time.monotonic() < until:
            self._sender.hurry(_PAUSE_S)
            self._urged.set()
            time.sleep(_LOOK_S)
        left = 0 if spool.is_drained else spool.lines_left()
        if left:
            self._on_lost(left)
            log.error(
                "%d lines of the task's log are not in Loki %s, which was given %g seconds: %s",
                left,
                self._settings.url,
                within_s,
                self._sender.trouble.reason or "there were too many at once",
            )
        self._forget(path, spool)
        return left

    def release(self, path: str) -> None:
        """Send the rest of the file without anybody waiting, then forget it."""
        with self._lock:
            spool = self._spools.pop(path, None)
            if spool is not None:
                self._sender.end(spool)

    def _begin(self, path: str, offset: int) -> None:
        if path in self._spools:
            return
        known = identity.of(Path(path).relative_to(self._folder).as_posix())
        if known is None:
            self._spools[path] = None
            return
        # A clock that is a little ahead must not push the first lines' own times away.
        began_ns = self._now_ns() - _CLOCKS_NS
        spool = Spool(Path(path), identity=known, offset=offset, began_ns=began_ns)
        self._spools[path] = spool
        self._sender.add(spool)
        if self._thread is None:
            # Not earlier: a process that forks its task first has no second thread then.
            self._thread = threading.Thread(target=self._run, name="loki-sender", daemon=True)
            self._thread.start()
            atexit.register(self._finish)

    def _forget(self, path: str, spool: Spool) -> None:
        with self._lock:
            self._spools.pop(path, None)
        self._sender.drop(spool)

    def _run(self) -> None:
        while True:
            try:
                wait_s = self._sender.step()
            except Exception:
                log.exception("sending task logs failed; going on in a second")
                wait_s = 1.0
            if self._urged.wait(wait_s) and wait_s:
                self._urged.clear()

    def _finish(self) -> None:
        """Give what is left of released files a moment when the process ends."""
        if os.getpid() != self._pid:
            return  # A child, to which neither the thread nor the files belong.
        until = time.monotonic() + self._settings.flush_timeout_s
        while not self._sender.is_idle and time.monotonic() < until:
            self._urged.set()
            time.sleep(_LOOK_S)
