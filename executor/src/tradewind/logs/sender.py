"""One step of sending at a time, by a clock that is given: no thread, no sleep.

`step` sends one batch, or finds nothing to do, and returns how many seconds later it wants to be
called again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tradewind.logs import batch, push_policy
from tradewind.logs.push_policy import Answer, Step, Verdict
from tradewind.logs.receipts import Proof, Reader, Receipts
from tradewind.logs.spool import MOST_BYTES, Chunk, Entry, Mark, Spool

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How often a log file is looked at; the longest a line waits while Loki is well."""
_NOTHING = Answer(status=0)
LEAST_BYTES = 16_384
"""A batch this small that Loki finds too large is refused."""


@dataclass(slots=True)
class Trouble:
    """Why the last push failed, said once."""

    reason: str = ""
    failures: int = 0


class Sender:
    """Sends what spools hold, in turn. One thread calls `step`; `add` may be any thread's."""

    def __init__(
        self,
        push: Callable[[bytes], Answer],
        *,
        environment: str,
        clock: Callable[[], float],
        jitter: Callable[[], float],
        on_refused: Callable[[int], None] = lambda _: None,
        read: Reader | None = None,
    ) -> None:
        """Take Loki as a function or two, monotonic seconds, and random numbers from 0 to 1."""
        self._push = push
        self._environment = environment
        self._clock = clock
        self._jitter = jitter
        self._on_refused = on_refused
        self._receipts = Receipts(read, clock=clock)
        self._most_bytes = MOST_BYTES
        self._not_before = 0.0
        self._spools: dict[Spool, bool] = {}
        """In turn, and whether a spool ends when it is drained."""
        self._lock = threading.Lock()
        self.trouble = Trouble()

    def add(self, spool: Spool) -> None:
        """Send what grows there from now on. Any thread."""
        with self._lock:
            self._spools[spool] = False

    def end(self, spool: Spool) -> None:
        """Forget the spool as soon as it is drained. Any thread."""
        with self._lock:
            if spool in self._spools:
                self._spools[spool] = True

    def drop(self, spool: Spool) -> None:
        """Forget the spool now. Any thread."""
        with self._lock:
            self._spools.pop(spool, None)
        self._receipts.close(spool)

    def hurry(self, longest_s: float) -> None:
        """Do not wait longer than this for the next attempt. Any thread."""
        self._not_before = min(self._not_before, self._clock() + longest_s)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to send. Any thread."""
        with self._lock:
            return all(spool.is_drained for spool in self._spools)

    def step(self) -> float:
        """Send one batch of the first spool that has one; return seconds until the next step."""
        wait_s = self._not_before - self._clock()
        if wait_s > 0:
            return wait_s
        with self._lock:
            spools = dict(self._spools)
        for spool, is_ending in spools.items():
            chunk = self._next(spool)
            if chunk is not None:
                self._to_the_end(spool)
                return self._deliver(spool, chunk)
            if is_ending:
                self.drop(spool)
        return POLL_S

    def _to_the_end(self, spool: Spool) -> None:
        """Let the others come first: one task that writes without end does not hold them up."""
        with self._lock:
            if spool in self._spools:
                self._spools[spool] = self._spools.pop(spool)

    def _next(self, spool: Spool) -> Chunk | None:
        if spool.is_drained:
            return None
        if claim := self._receipts.claim(spool):
            return claim.chunk
        try:
            chunk = spool.read(most_bytes=self._most_bytes)
        except OSError as error:
            log.warning("cannot read the log file %s, its rest is not sent: %s", spool.path, error)
            self.drop(spool)
            return None
        return chunk if chunk.entries else None

    def _deliver(self, spool: Spool, chunk: Chunk) -> float:
        claim = self._receipts.claim(spool)
        if claim is None:
            return self._push_all(spool, chunk, chunk.entries)
        proof = self._receipts.prove(spool, claim)
        doubt = Verdict(step=Step.RETRY, reason=claim.reason, refused=len(claim.left))
        match proof:
            case Proof.ALL_THERE:
                return self._delivered(spool, chunk)
            case Proof.SOME_MISSING:
                return self._push_all(spool, chunk, claim.left[: claim.most])
            case Proof.UNKNOWN:
                return self._wait(_NOTHING, doubt)
            case Proof.GIVEN_UP:
                return self._refuse(spool, chunk, doubt)

    def _push_all(self, spool: Spool, chunk: Chunk, entries: tuple[Entry, ...]) -> float:
        answer = self._send(spool, entries)
        verdict = push_policy.judge(answer)
        if verdict.step is Step.LATE:
            late = tuple(entry for entry in entries if entry.at_ns < verdict.oldest_ns)
            answer = self._send(spool, late, is_late=True)
            verdict = push_policy.judge(answer)
            if verdict.step is Step.LATE:
                verdict = Verdict(step=Step.REFUSED, reason=verdict.reason, refused=len(late))
        return self._settle(spool, chunk, answer, verdict)

    def _settle(self, spool: Spool, chunk: Chunk, answer: Answer, verdict: Verdict) -> float:
        match verdict.step:
            case Step.DELIVERED:
                return self._taken(spool, chunk)
            case Step.HALVE if self._most_bytes > LEAST_BYTES and len(chunk.entries) > 1:
                self._most_bytes //= 2
                self._receipts.close(spool)
                return 0.0
            case Step.RETRY:
                if answer.status == push_policy.TOO_FAST:
                    self._receipts.refused(spool, chunk)
                return self._wait(answer, verdict)
            case _:
                return self._refuse(spool, chunk, verdict)

    def _taken(self, spool: Spool, chunk: Chunk) -> float:
        if self._receipts.taken(spool, chunk):
            return self._delivered(spool, chunk)
        claim = self._receipts.claim(spool)
        if claim is not None and claim.rounds > 1:
            return self._wait(_NOTHING, Verdict(step=Step.RETRY, reason=claim.reason))
        return 0.0

    def _delivered(self, spool: Spool, chunk: Chunk) -> float:
        self._receipts.close(spool)
        spool.mark = chunk.mark
        if self.trouble.failures:
            log.info("logs reach Loki again after %d failures", self.trouble.failures)
            self.trouble = Trouble()
        return 0.0 if chunk.is_full else POLL_S

    def _send(self, spool: Spool, entries: tuple[Entry, ...], *, is_late: bool = False) -> Answer:
        if not entries:
            return Answer(status=204)
        identity = spool.identity
        labels = identity.labels(self._environment, is_late=is_late)
        return self._push(batch.body(entries, labels=labels, metadata=identity.metadata))

    def _wait(self, answer: Answer, verdict: Verdict) -> float:
        pause_s = push_policy.pause_s(answer, failures=self.trouble.failures, jitter=self._jitter())
        self.trouble.failures += 1
        if verdict.reason != self.trouble.reason:
            log.warning("logs wait, nothing else does: %s", verdict.reason)
            self.trouble.reason = verdict.reason
        self._not_before = self._clock() + pause_s
        return pause_s

    def _refuse(self, spool: Spool, chunk: Chunk, verdict: Verdict) -> float:
        """Go on behind lines that Loki will never take, and say so where they are missing."""
        of, count, most = len(chunk.entries), verdict.refused, ""
        if count is None and verdict.oldest_ns:
            count = sum(entry.at_ns < verdict.oldest_ns for entry in chunk.entries)
        if count is None:
            count, most = of, "at most "
        sentence = f"{most}{count} of {of} lines of this log are not in Loki: {verdict.reason}"
        log.warning(sentence)
        self._receipts.close(spool)
        spool.refused += count
        self._on_refused(count)
        at_ns = chunk.mark.at_ns + 1
        spool.mark = Mark(chunk.mark.offset, at_ns, chunk.mark.part)
        self._send(spool, (Entry(at_ns, _line(sentence, at_ns)),))
        return 0.0 if chunk.is_full else POLL_S


def _line(sentence: str, at_ns: int) -> str:
    at = datetime.fromtimestamp(at_ns // 1000 / 1e6, tz=UTC).isoformat().replace("+00:00", "Z")
    told = {"timestamp": at, "level": "warning", "event": sentence, "logger": "tradewind.logs"}
    return json.dumps(told)
