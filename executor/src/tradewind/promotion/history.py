"""What the history of a release.yaml says: since when a pin is there, and what was there before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tradewind.promotion import pins
from tradewind.promotion.findings import UnusableError
from tradewind.promotion.pins import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A release that was in an environment without a break."""

    pin: Pin
    since: datetime
    """When the main branch got it: the clock of soaking."""
    commit: str
    """The commit that brought it."""


def stays(changes: Iterable[tuple[str, datetime, str]], *, path: str) -> list[Stay]:
    """Return the stays, newest first, from (commit, moment, text) of each change, newest first.

    A change that leaves the release the same (a comment, where it came from) does not restart the
    clock. Texts that were malformed once end a stay and are no stay themselves.
    """
    found: list[Stay] = []
    is_open = False
    for commit, moment, text in changes:
        pin = _parsed(text, path=path)
        if is_open and found[-1].pin.same_release(pin):
            found[-1] = Stay(pin=found[-1].pin, since=moment, commit=commit)
        elif pin is not None:
            found.append(Stay(pin=pin, since=moment, commit=commit))
        is_open = pin is not None
    return found


def _parsed(text: str, *, path: str) -> Pin | None:
    try:
        return pins.parse(text, path=path)
    except UnusableError:
        return None
