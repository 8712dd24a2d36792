"""Pin in git, pin in the cluster, health: one row for each environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tradewind.promotion import cluster, order
from tradewind.promotion.cluster import Applied
from tradewind.promotion.findings import UnreachableError
from tradewind.promotion.history import Stay
from tradewind.promotion.order import Environment
from tradewind.promotion.releases import Releases


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of an environment."""

    environment: str
    version: str
    """In git; empty before the first release."""
    since: datetime | None
    applied: str
    """`yes`, `no`, or `unknown` where no cluster was asked or it does not answer."""
    healthy: str
    """As `applied`."""
    says: str
    """The engine's own words, or why it is not known."""
    next: str
    """What becomes of it in the environment after."""


def rows(
    releases: Releases, *, contexts: Mapping[str, str], engine: str, now: datetime
) -> list[Row]:
    """Return the rows in order; a cluster that does not answer is a row that says so.

    Raises:
        UnusableError: malformed files, or a context for an unknown environment.

    """
    ordered = releases.order()
    for name in contexts:
        ordered.find(name)
    stays = {name: releases.stays(name) for name in ordered.names if releases.pin(name)}
    found = []
    following = (*ordered.environments[1:], None)
    for environment, after in zip(ordered.environments, following, strict=True):
        name = environment.name
        stay = stays[name][0] if stays.get(name) else None
        there = stays[after.name][0] if after and stays.get(after.name) else None
        applied = _ask(name, context=contexts.get(name, ""), engine=engine)
        outlook = _next(stay, after=after, there=there, now=now)
        found.append(_row(name, stay=stay, applied=applied, outlook=outlook))
    return found


def _ask(name: str, *, context: str, engine: str) -> Applied | str:
    if not context:
        return "not asked: give --context ENVIRONMENT=CONTEXT"
    try:
        return cluster.ask(name, context=context, engine=engine)
    except UnreachableError as error:
        return str(error)


def _row(name: str, *, stay: Stay | None, applied: Applied | str, outlook: str) -> Row:
    known = isinstance(applied, Applied)
    is_applied = isinstance(applied, Applied) and stay is not None and applied.runs(stay.pin)
    is_healthy = is_applied and isinstance(applied, Applied) and applied.ready_since is not None
    return Row(
        environment=name,
        version=stay.pin.chart_version if stay else "",
        since=stay.since if stay else None,
        applied=("yes" if is_applied else "no") if known else "unknown",
        healthy=("yes" if is_healthy else "no") if known else "unknown",
        says=applied.state if isinstance(applied, Applied) else applied,
        next=outlook,
    )


def _next(
    stay: Stay | None, *, after: Environment | None, there: Stay | None, now: datetime
) -> str:
    if stay is None or after is None:
        return ""
    if stay.pin.same_release(there.pin if there else None):
        return f"is in {after.name}"
    left_s = after.soak_s - (now - stay.since).total_seconds()
    if left_s > 0:
        return f"{after.name} in {order.shown(left_s)}"
    held = next((window.reason for window in after.freeze if window.holds(now)), "")
    return f"{after.name} is frozen: {held}" if held else f"may go to {after.name}"
