"""From an error status and whatever body came with it to an `ApiError`. Pure.

The API server sends a `Status` object. What stands between us and it sends anything: a proxy's
HTML page, a list, `null`, a megabyte, half a document, bytes that are no text. Each gives a short
sentence, none an exception of its own.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from tradewind.client.errors import ApiError

MOST_BYTES = 65_536
"""Of an error's body no more than this is read; a Status is a few hundred."""
_EXCERPT_CHARS = 120
_SPACE = re.compile(r"\s+")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


class _Status(msgspec.Struct):
    code: int | None = None
    reason: str | None = None
    message: str | None = None


_status = msgspec.json.Decoder(_Status)


def from_answer(
    status: int,
    *,
    reason: str,
    payload: bytes,
    retry_after: str = "",
    location: str = "",
    now_s: float = 0.0,
) -> ApiError:
    """Return the error that an HTTP answer means.

    `reason` is the status line's, `retry_after` and `location` are the headers' texts, `now_s` is
    the wall clock.
    """
    said = _decoded(payload) or _Status(message=excerpt(payload))
    away = f"redirected to {location.partition('?')[0]!r}; is a proxy in between?"
    return ApiError(
        status,
        reason=said.reason or reason,
        message=away if location else said.message or "",
        retry_after_s=seconds_until(retry_after, now_s=now_s),
    )


def from_status_object(payload: bytes) -> ApiError:
    """Return the error in a watch's ERROR event; one that says nothing counts as a 500."""
    said = _decoded(payload) or _Status(message=excerpt(payload))
    return ApiError(said.code or 500, reason=said.reason or "", message=said.message or "")


def excerpt(payload: bytes) -> str:
    """Return a short, printable account of a body that is no Status."""
    text = payload[:MOST_BYTES].decode(errors="replace")
    if text.lstrip()[:1] == "<":
        title = _TITLE.search(text)
        named = f" titled {_printable(title[1])!r}" if title else ""
        return f"an HTML page{named}; is a proxy in between?"
    printable = _printable(text)
    return f"no Status but {printable!r}; is a proxy in between?" if printable else "an empty body"


def seconds_until(retry_after: str, *, now_s: float) -> float | None:
    """Return the wait a Retry-After header asks for: seconds, or the time until its date."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now_s)


def skew_s(date: str, *, now_s: float) -> float | None:
    """Return how far our wall clock is ahead of the server that wrote `date`, or None.

    The header counts whole seconds, so one second either way means nothing.
    """
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return now_s - moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _decoded(payload: bytes) -> _Status | None:
    """Return the Status, or None for anything else."""
    try:
        said = _status.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return said if said.reason or said.message else None


def _printable(text: str) -> str:
    shown = "".join(char if char.isprintable() else " " for char in text[: 4 * _EXCERPT_CHARS])
    shown = _SPACE.sub(" ", shown).strip()
    return shown if len(shown) <= _EXCERPT_CHARS else f"{shown[:_EXCERPT_CHARS]}…"
