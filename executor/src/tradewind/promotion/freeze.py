"""Freeze windows: times at which nothing is promoted to an environment. UTC throughout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tradewind.promotion.findings import UnusableError

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
FORM = '{from: "2026-12-18T12:00Z", to: …} or {weekdays: [Fri], hours: "14:00-24:00"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One entry of `freeze`: a span, or hours of weekdays."""

    reason: str
    begin: datetime | None = None
    end: datetime | None = None
    weekdays: frozenset[int] = frozenset()
    """0 is Monday."""
    first_minute: int = 0
    last_minute: int = 24 * 60
    """Minutes of the day; the last is no part of the window."""

    def holds(self, now: datetime) -> bool:
        """Tell whether the window covers this moment."""
        if self.begin and self.end:
            return self.begin <= now < self.end
        moment = now.astimezone(UTC)
        minute = moment.hour * 60 + moment.minute
        return moment.weekday() in self.weekdays and (
            self.first_minute <= minute < self.last_minute
        )


def parse(entry: Any, *, where: str) -> Window:
    """Return the window of one entry.

    Raises:
        UnusableError: it is neither form, or ends before it begins; names `where`.

    """
    if not isinstance(entry, Mapping) or not isinstance(entry.get("reason"), str):
        raise UnusableError(f"{where} {entry!r} has no reason: write {FORM} with a reason")
    keys = set(entry) - {"reason"}
    if keys == {"from", "to"}:
        begin, end = (_moment(entry[key], where=f"{where}.{key}") for key in ("from", "to"))
        if begin >= end:
            raise UnusableError(f"{where} ends before it begins: swap from and to")
        return Window(reason=entry["reason"], begin=begin, end=end)
    if "weekdays" in keys and keys <= {"weekdays", "hours"}:
        first, last = _minutes(entry.get("hours", "00:00-24:00"), where=f"{where}.hours")
        days = _weekdays(entry["weekdays"], where=f"{where}.weekdays")
        return Window(reason=entry["reason"], weekdays=days, first_minute=first, last_minute=last)
    raise UnusableError(f"{where} has the keys {', '.join(sorted(keys)) or 'none'}: write {FORM}")


def _moment(value: Any, *, where: str) -> datetime:
    try:
        # YAML makes a timestamp of some of these texts.
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise UnusableError(f'{where} is {value!r}: write "2026-12-18T12:00Z"') from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _weekdays(value: Any, *, where: str) -> frozenset[int]:
    if not isinstance(value, list) or not value or set(map(str, value)) - set(WEEKDAYS):
        raise UnusableError(f"{where} is {value!r}: list some of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(day) for day in value)


def _minutes(value: Any, *, where: str) -> tuple[int, int]:
    found = HOURS.fullmatch(str(value))
    first, last = (0, 0)
    if found:
        numbers = [int(number) for number in found.groups()]
        first, last = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if not first < last <= 24 * 60:
        raise UnusableError(f'{where} is {value!r}: write "14:00-24:00", within one day')
    return first, last
