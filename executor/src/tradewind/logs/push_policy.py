"""What an answer of Loki to a push means: one table, no clock, no socket.

Loki stores the valid lines of a push and still answers 400 when some are not, so that a refused
batch is never sent again as a whole.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import UTC, datetime

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Step(enum.Enum):
    """What the sender does with the batch."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Send the same again: nothing is wrong with the lines."""
    LATE = "late"
    """Send the lines older than Loki takes in their stream again, in one of their own."""
    HALVE = "halve"
    """Send less at once."""
    REFUSED = "refused"
    """Count what was refused and go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0 when nothing did."""

    status: int
    text: str = ""
    """Of the body, or of the error that was met instead."""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do, and why in a sentence for people."""

    step: Step
    reason: str = ""
    oldest_ns: int = 0
    """With LATE, and with REFUSED where Loki says it: lines before this time were not taken."""
    refused: int | None = None
    """With REFUSED: how many, where Loki says it."""


_OLDEST = re.compile(r"oldest acceptable timestamp is: ([0-9TZ:.+-]+)")
_IGNORED = re.compile(r"total ignored: (\d+) out of (\d+)")
_SHOWN = 300
_ACCEPTED = frozenset({200, 204})
TOO_FAST = 429
_BUSY = frozenset({408, 425, TOO_FAST})
_SETTINGS = {
    401: "Loki refuses the credentials: check loki_username and loki_password_file",
    403: "Loki refuses the tenant or the user: check loki_tenant and the user's rights",
    404: "there is no Loki at that address: check loki_url",
    405: "there is no Loki at that address: check loki_url",
}
_FAR = 1 << 63
_BAD_REQUEST, _TOO_LARGE, _SERVER = 400, 413, 500


def judge(answer: Answer) -> Verdict:
    """Return what to do after this answer."""
    status = answer.status
    if status in _ACCEPTED:
        return Verdict(step=Step.DELIVERED)
    if status == 0:
        return Verdict(step=Step.RETRY, reason=f"Loki does not answer: {_short(answer.text)}")
    if status == _TOO_LARGE:
        return Verdict(step=Step.HALVE, reason=_said(answer))
    if status == _BAD_REQUEST:
        return _bad_request(answer)
    if status in _BUSY or status >= _SERVER:
        return Verdict(step=Step.RETRY, reason=_said(answer))
    # Somebody may put it right while the task runs; the lines wait in their file.
    cause = _SETTINGS.get(status, "this is not an answer of Loki: check loki_url")
    return Verdict(step=Step.RETRY, reason=f"{cause}: {_said(answer)}")


def _bad_request(answer: Answer) -> Verdict:
    text = answer.text
    found = _OLDEST.search(text)
    if "too far behind" in text:
        oldest_ns = _nanoseconds(found[1] if found else "")
        return Verdict(step=Step.LATE, reason=_said(answer), oldest_ns=oldest_ns)
    ignored = _IGNORED.search(text)
    return Verdict(
        step=Step.REFUSED,
        reason=_said(answer),
        oldest_ns=_nanoseconds(found[1]) if found else 0,
        refused=int(ignored[1]) if ignored else None,
    )


def pause_s(answer: Answer, *, failures: int, jitter: float) -> float:
    """Return how long to wait after so many failures in a row; `jitter` between 0 and 1."""
    if answer.retry_after_s is not None:
        return min(answer.retry_after_s, LONGEST_PAUSE_S) + jitter
    longest = min(FIRST_PAUSE_S * 2.0 ** min(failures, 10), LONGEST_PAUSE_S)
    return longest * (0.5 + jitter / 2)


def _said(answer: Answer) -> str:
    return f"Loki answered {answer.status}: {_short(answer.text)}"


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _SHOWN else f"{one_line[:_SHOWN]}…"


def _nanoseconds(text: str) -> int:
    """Return a time as Loki prints it; anything else is the far future, before which all lies."""
    try:
        at = datetime.fromisoformat(text.rstrip("."))
    except ValueError:
        return _FAR
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1_000_000) * 1000
