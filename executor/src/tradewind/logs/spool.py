"""One log file as the queue of what Loki has not got yet.

Airflow appends each masked line, as JSON, to the try's file before anything else happens; so the
file is the bounded memory, the disk spool and the exact text at once, and what is not sent is the
part behind an offset. A line's time is the one in the line, so that a repeated batch is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from tradewind.logs.identity import LogIdentity

MOST_BYTES = 1_000_000
"""Of lines in one batch: a quarter of what Loki takes in a second of one stream by default."""
MOST_ENTRIES = 10_000
PART_BYTES = 250_000
"""Loki refuses lines longer than 256 KiB; longer ones are sent in parts."""

_decode = msgspec.json.Decoder(datetime).decode
_STAMP = b'{"timestamp":"'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PARTIAL = 3
"""Most bytes of a character of UTF-8 that is cut off."""


class Entry(NamedTuple):
    """A line or a part of one. A tuple, of which thousands are made a second."""

    at_ns: int
    """Since the epoch; greater than that of the entry before, so that Loki keeps the order."""
    text: str
    part: int = 0
    """Counts from 1 in a line that is sent in parts."""
    is_end: bool = True
    """Of the line."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Entries in a row, and where the spool stands when they are delivered."""

    entries: tuple[Entry, ...]
    mark: Mark
    is_full: bool
    """There may be more behind it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file is read."""

    offset: int
    at_ns: int
    part: int = 0
    """Parts sent of a line that is not complete yet."""


class Spool:
    """A log file that grows, and how much of it is delivered. One thread reads."""

    def __init__(self, path: Path, *, identity: LogIdentity, offset: int, began_ns: int) -> None:
        """Begin at `offset` bytes: what stands before it is somebody else's, or was sent.

        `began_ns` is the time of lines that have none, before the first that has one.
        """
        self.path = path
        self.identity = identity
        self.mark = Mark(offset, began_ns)
        self.refused = 0
        """Lines that Loki did not take."""

    def size(self) -> int:
        """Return the file's bytes; those already delivered when the file is gone. Any thread."""
        try:
            return self.path.stat().st_size
        except OSError:
            return self.mark.offset

    @property
    def is_drained(self) -> bool:
        """Whether everything that stands in the file is delivered."""
        return self.size() <= self.mark.offset

    def read(self, *, most_bytes: int = MOST_BYTES) -> Chunk:
        """Return the next entries, without advancing; raises OSError."""
        with self.path.open("rb") as file:
            return self._read(file, most_bytes)

    def _read(self, file: BinaryIO, room: int) -> Chunk:
        offset, at_ns, part = self.mark.offset, self.mark.at_ns, self.mark.part
        file.seek(offset)
        entries: list[Entry] = []
        while room > 0 and len(entries) < MOST_ENTRIES:
            piece = file.readline(PART_BYTES)
            is_end = piece.endswith(b"\n")
            if not is_end:
                if len(piece) < PART_BYTES:
                    break  # Airflow is still writing it.
                piece = _whole_characters(piece)
                file.seek(offset + len(piece))
            # Later parts, lines without a time and clocks that step back follow the line before.
            stamp_ns = 0 if part else _stamp_ns(piece)
            at_ns = stamp_ns if stamp_ns > at_ns else at_ns + 1
            part = part + 1 if part or not is_end else 0
            text = (piece[:-1] if is_end else piece).decode("utf-8", errors="replace")
            entries.append(Entry(at_ns, text, part, is_end))
            offset += len(piece)
            room -= len(piece)
            part = 0 if is_end else part
        is_full = room <= 0 or len(entries) >= MOST_ENTRIES
        return Chunk(tuple(entries), Mark(offset, at_ns, part), is_full=is_full)

    def lines_left(self) -> int:
        """Return how many lines are not delivered."""
        with self.path.open("rb") as file:
            file.seek(self.mark.offset)
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _stamp_ns(line: bytes) -> int:
    """Return the time at the start of Airflow's JSON lines; 0 of any other."""
    if not line.startswith(_STAMP):
        return 0
    end = line.find(b'"', len(_STAMP))
    try:
        at = _decode(line[len(_STAMP) - 1 : end + 1])
    except msgspec.DecodeError:
        return 0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - _EPOCH) // _MICROSECOND * 1000


def _whole_characters(piece: bytes) -> bytes:
    """Return the piece without a character that is cut off at its end."""
    for cut in range(1, _PARTIAL + 1):
        byte = piece[-cut]
        if byte >= 0xC0:  # noqa: PLR2004 - first byte of a longer character
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4  # noqa: PLR2004 - as UTF-8 has it
            return piece[:-cut] if needed > cut else piece
        if byte < 0x80:  # noqa: PLR2004 - a character of its own
            break
    return piece
