"""What a program prints, on its way to Loki: files in a row, of which the last one grows.

The same path as a task's log: a file is the spool of what it holds. It is left behind when it is
full and removed when it is delivered; one that an earlier process left is sent first, from its
beginning, since a line that Loki has already is the same line again. Where Loki stays away for so
long that there is no room, lines are counted, and a line says how many.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tradewind.logs.identity import LogIdentity
from tradewind.logs.sender import Sender
from tradewind.logs.spool import Spool

log = logging.getLogger(__name__)

FILE_BYTES = 4_000_000
MOST_FILES = 8
_LOOK_S = 0.05
_PAUSE_S = 1.0
"""The longest pause between attempts while somebody waits."""

_decode = msgspec.json.Decoder(dict).decode
_encode = msgspec.json.Encoder().encode


class OutputLog:
    """One thread calls `write` and `close`, another one `step`."""

    def __init__(
        self,
        sender: Sender,
        *,
        folder: Path,
        identity: LogIdentity,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        file_bytes: int = FILE_BYTES,
    ) -> None:
        """Begin a file below `folder`, behind those that are there; raises OSError."""
        self._sender = sender
        self._folder = folder
        self._identity = identity
        self._now = now
        self._file_bytes = file_bytes
        self._dropped = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._left = [self._spool(path) for path in sorted(folder.glob("*.log"))]
        for spool in self._left:
            sender.end(spool)
        last = int(self._left[-1].path.stem) if self._left else 0
        self._open(last + 1)

    def write(self, line: bytes) -> None:
        """Keep one line, given without its end. Never raises: printing goes on whatever happens."""
        try:
            self._keep(as_entry(line, at=self._now()))
        except OSError as error:
            if not self._dropped:
                log.warning("output is not kept for Loki: %s", error)
            self._dropped += 1

    def step(self) -> float:
        """Send one batch; return seconds until the next step."""
        return self._sender.step()

    def close(self, *, timeout_s: float) -> int:
        """Wait until all is sent, `timeout_s` at most; return the lines that are not in Loki."""
        until = time.monotonic() + timeout_s
        while not self._sender.is_idle and time.monotonic() < until:
            self._sender.hurry(_PAUSE_S)
            time.sleep(_LOOK_S)
        self._file.close()
        left = [spool for spool in (*self._left, self._current) if not spool.is_drained]
        for spool in (*self._left, self._current):
            if spool not in left:
                spool.path.unlink(missing_ok=True)
        return self._dropped + sum(spool.lines_left() for spool in left)

    def _keep(self, entry: bytes) -> None:
        if self._written >= self._file_bytes and not self._roll():
            self._dropped += 1
            return
        if self._dropped:
            told = f"{self._dropped} lines of this output are missing: there was no room for them"
            self._append(as_entry(told.encode(), at=self._now()))
            self._dropped = 0
        self._append(entry)

    def _append(self, entry: bytes) -> None:
        self._file.write(entry + b"\n")
        self._written += len(entry) + 1

    def _roll(self) -> bool:
        """Begin another file if there is room for one."""
        for spool in [spool for spool in self._left if spool.is_drained]:
            spool.path.unlink(missing_ok=True)
            self._left.remove(spool)
        if len(self._left) >= MOST_FILES - 1:
            return False
        self._file.close()
        self._sender.end(self._current)
        self._left.append(self._current)
        self._open(int(self._current.path.stem) + 1)
        return True

    def _open(self, number: int) -> None:
        path = self._folder / f"{number:08}.log"
        # Unbuffered: a line is in the file before the next one is read, and outlives this process.
        self._file = path.open("ab", buffering=0)
        self._written = 0
        self._current = self._spool(path)

    def _spool(self, path: Path) -> Spool:
        spool = Spool(path, identity=self._identity, offset=0, began_ns=0)
        self._sender.add(spool)
        return spool


def as_entry(line: bytes, *, at: datetime) -> bytes:
    """Return a line as JSON that begins with its time: its own, where it is JSON and has one."""
    if line.startswith(b"{"):
        try:
            told = _decode(line)
        except msgspec.DecodeError:
            told = {}
        if isinstance(stamp := told.pop("timestamp", None), str):
            return _encode({"timestamp": stamp, **told})
    text = line.decode("utf-8", errors="replace")
    return _encode({"timestamp": at.isoformat().replace("+00:00", "Z"), "event": text})
