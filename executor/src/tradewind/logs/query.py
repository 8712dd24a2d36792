"""How a log is asked for page by page, and pages become lines. Pure.

Loki answers at most some thousand lines, the oldest first here. The next page begins at the time
of the last line, because more lines may have it; those that were seen are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

import msgspec

PAGE = 5000
"""Lines; Loki's default for the most of one answer."""
RANGE_NS = 30 * 24 * 3600 * 10**9
"""Loki's default for the longest range of one question is an hour more."""


class Line(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A line, or a part of one, as Loki has it. Made by the decoder: there are many of them."""

    at_ns: int
    text: str
    part: str = ""
    """Counts from 1 in a line that was sent in parts."""
    parts: str = ""
    """How many there are, on the last one."""


class _Labels(msgspec.Struct):
    """Structured metadata is among a stream's labels: what is in parts is in streams of its own."""

    part: str = ""
    parts: str = ""


class _Stream(msgspec.Struct):
    stream: _Labels
    values: list[Line]

    def lines(self) -> list[Line]:
        about = self.stream
        if not about.part:
            return self.values
        return [Line(line.at_ns, line.text, about.part, about.parts) for line in self.values]


class _Data(msgspec.Struct):
    result: list[_Stream]


class _Answer(msgspec.Struct):
    data: _Data


_decode = msgspec.json.Decoder(_Answer, strict=False).decode
"""Not strict: Loki writes times as texts."""


def lines_of(answer: bytes) -> list[Line]:
    """Return the lines of an answer in their order; raises ValueError when it is none of Loki's."""
    try:
        streams = _decode(answer).data.result
    except msgspec.DecodeError as error:
        raise ValueError(f"not an answer of Loki: {error}") from error
    if len(streams) == 1:
        return streams[0].lines()
    lines = [line for stream in streams for line in stream.lines()]
    # Stable: what one writer wrote in one nanosecond stays as it was.
    lines.sort(key=attrgetter("at_ns"))
    return lines


class _Sample(msgspec.Struct):
    value: tuple[float, int]


class _Samples(msgspec.Struct):
    result: list[_Sample]


class _Sum(msgspec.Struct):
    data: _Samples


_decode_sum = msgspec.json.Decoder(_Sum, strict=False).decode


def number_of(answer: bytes) -> int:
    """Return the answer to a sum, which is empty for 0; raises ValueError when it is none."""
    try:
        samples = _decode_sum(answer).data.result
    except msgspec.DecodeError as error:
        raise ValueError(f"not a sum of Loki's: {error}") from error
    return sum(sample.value[1] for sample in samples)


def ranges(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Return the range in pieces that Loki answers; the end of each belongs to the next."""
    while start_ns < end_ns:
        piece_ns = min(start_ns + RANGE_NS, end_ns)
        yield start_ns, piece_ns
        start_ns = piece_ns


class Seen:
    """What was read of the newest nanosecond, so that the next page repeats nothing."""

    def __init__(self) -> None:
        self.at_ns = -1
        self._first: Line | None = None
        self._others: set[Line] = set()

    def new(self, lines: Iterable[Line]) -> list[Line]:
        """Return those that were not read before. A line that was sent twice is one line."""
        found = []
        for line in lines:
            if line.at_ns > self.at_ns:
                self.at_ns, self._first = line.at_ns, line
                if self._others:
                    self._others.clear()
            elif line.at_ns < self.at_ns or line == self._first or line in self._others:
                continue
            else:
                self._others.add(line)
            found.append(line)
        return found


def joined(pages: Iterable[list[Line]]) -> Iterator[str]:
    """Return texts, with those that were sent in parts in one piece again."""
    parts: list[str] = []
    for page in pages:
        if not parts and not any(line.part for line in page):
            yield from [line.text for line in page]
            continue
        for line in page:
            yield from _pieced(line, parts)
    if parts:
        yield "".join(parts)


def _pieced(line: Line, parts: list[str]) -> Iterator[str]:
    """Return the texts that are complete with this line; `parts` is what is not yet."""
    if parts and line.part != str(len(parts) + 1):
        yield "".join(parts)  # Its end never came.
        parts.clear()
    if not line.part:
        yield line.text
        return
    parts.append(line.text)
    if line.parts:
        yield "".join(parts)
        parts.clear()
