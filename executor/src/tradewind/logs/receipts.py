"""Which lines of a batch Loki really has, asked where its answer to a push proves nothing.

Loki divides a stream that is written fast into shards, and answers a push with what became of the
last shard alone: others may have been over their rate, and their lines are gone with a 204. Seen
with 3.7.8, whose `pkg/ingester/instance.go` overwrites the error of one stream with the next one's.
Delete this when no Loki that people run does so any more.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tradewind.logs.client import LokiError
from tradewind.logs.identity import LogIdentity
from tradewind.logs.query import Line
from tradewind.logs.spool import Chunk, Entry, Spool

log = logging.getLogger(__name__)

DOUBT_S = 60.0
"""How long after a 429 no answer is believed."""
BLIND_S = 300.0
"""How long Loki is believed where it can be written to and not be read."""
ROUNDS = 8
"""So often lines are sent without one of them arriving, then they are told as missing."""
_MS = 1_000_000
_NOT_TO_BE_READ = frozenset({400, 401, 403, 404, 405, 422})
"""Who may write need not be allowed to read, or as much."""

KEPT_LESS = (
    "Loki said that it took lines which it does not have: it is over its rate for a stream"
    " (per_stream_rate_limit), and hides that where shard_streams is on"
)


class Reader(Protocol):
    """What reads a try's lines; times are nanoseconds since the epoch."""

    def count(self, known: LogIdentity, *, last_ns: int, within_ms: int) -> int:
        """Return how many there are up to that time, which Loki counts; raises LokiError."""

    def pages(self, known: LogIdentity, start_ns: int, end_ns: int) -> Iterable[list[Line]]:
        """Yield them, from one time until before another; raises LokiError."""


class Proof(enum.Enum):
    """What is known of a batch."""

    ALL_THERE = "all there"
    SOME_MISSING = "some missing"
    UNKNOWN = "unknown"
    """Loki could not be asked; in the end its answers to pushes are believed."""
    GIVEN_UP = "given up"


@dataclass(slots=True)
class Claim:
    """A batch that Loki may have, as a whole or in part; counts are of entries."""

    read: Reader
    """What asks Loki; there is no claim without."""
    chunk: Chunk
    left: tuple[Entry, ...]
    """What is not known to be there; all of it before Loki was asked."""
    most: int
    """Entries in the next push: a batch beyond the burst of a stream is never taken as a whole."""
    rounds: int = 0
    """In a row that Loki said it took them, and did not have one more."""
    reason: str = KEPT_LESS
    """Why it is still in doubt, for people."""


class Receipts:
    """The batches in doubt, one of a spool at most. One thread; `close` may be any thread's."""

    def __init__(self, read: Reader | None, *, clock: Callable[[], float]) -> None:
        """Take what reads lines back, if anything does, and monotonic seconds."""
        self._read = read
        self._clock = clock
        self._doubt_until = self._blind_until = 0.0
        self._claims: dict[Spool, Claim] = {}

    def claim(self, spool: Spool) -> Claim | None:
        """Return the batch of that spool that is in doubt."""
        return self._claims.get(spool)

    def refused(self, spool: Spool, chunk: Chunk) -> None:
        """Note a 429: shards that were not over their rate have kept their part."""
        self._doubt_until = self._clock() + DOUBT_S
        if claim := self._open(spool, chunk):
            claim.most = max(claim.most // 2, 1)

    def taken(self, spool: Spool, chunk: Chunk) -> bool:
        """Note that Loki says it has all of it; return whether that is to be believed."""
        if not self._is_doubtful(spool, chunk):
            return True
        claim = self._open(spool, chunk)
        if claim is None:
            return True
        claim.rounds += 1
        return False

    def _is_doubtful(self, spool: Spool, chunk: Chunk) -> bool:
        if spool in self._claims or self._clock() < self._doubt_until:
            return True
        if not chunk.is_full or (read := self._reader()) is None:
            return False
        last_ns = chunk.entries[-1].at_ns
        within_ms = (last_ns - chunk.entries[0].at_ns) // _MS
        if not within_ms:
            return True
        # Loki counts no fractions of a millisecond: a few lines at the batch's start are left out.
        expected = sum(entry.at_ns > last_ns - within_ms * _MS for entry in chunk.entries)
        try:
            counted = read.count(spool.identity, last_ns=last_ns, within_ms=within_ms)
        except LokiError:
            return False  # No 429 was seen: a task must not wait for who only reads.
        return counted != expected

    def close(self, spool: Spool) -> None:
        """Forget the batch: it is there, or told as missing, or cut anew."""
        self._claims.pop(spool, None)

    def prove(self, spool: Spool, claim: Claim) -> Proof:
        """Ask which of the batch's lines are there, and leave the others in the claim."""
        try:
            left = _missing(claim, spool.identity)
        except LokiError as error:
            return self._unreadable(spool, claim, error)
        if len(left) < len(claim.left):
            claim.rounds, claim.most = 0, 2 * claim.most
        claim.left, claim.reason = left, KEPT_LESS
        if not left:
            return Proof.ALL_THERE
        return Proof.SOME_MISSING if claim.rounds < ROUNDS else Proof.GIVEN_UP

    def _unreadable(self, spool: Spool, claim: Claim, error: LokiError) -> Proof:
        claim.rounds, claim.reason = claim.rounds + 1, str(error)
        is_for_good = error.status in _NOT_TO_BE_READ
        if is_for_good or claim.rounds >= ROUNDS:
            log.warning("what Loki has of the logs cannot be checked, and is believed: %s", error)
            self._blind_until = math.inf if is_for_good else self._clock() + BLIND_S
            self.close(spool)
        return Proof.UNKNOWN

    def _open(self, spool: Spool, chunk: Chunk) -> Claim | None:
        if (read := self._reader()) is None:
            return None
        claim = Claim(read, chunk, chunk.entries, len(chunk.entries))
        return self._claims.setdefault(spool, claim)

    def _reader(self) -> Reader | None:
        """Return what reads lines back, or None where nothing may: Loki is believed then."""
        return None if self._clock() < self._blind_until else self._read


def _missing(claim: Claim, identity: LogIdentity) -> tuple[Entry, ...]:
    left = claim.left
    pages = claim.read.pages(identity, left[0].at_ns, left[-1].at_ns + 1)
    found = {line.at_ns for page in pages for line in page}
    return tuple(entry for entry in left if entry.at_ns not in found)
