"""What has to hold before a release goes to an environment. Pure: `now` and facts are arguments.

Each rule answers one Finding; the same functions judge on a developer's machine and on the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tradewind.promotion.findings import Finding, Level
from tradewind.promotion.order import Environment, shown
from tradewind.promotion.pins import Pin, precedence


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Reasons that somebody gave; each lands in the commit. Empty: none."""

    soak: str = ""
    freeze: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residence:
    """Since when a release is in an environment."""

    environment: str
    merged: datetime
    """When the commit that brought this pin came to the main branch."""
    ready: datetime | None = None
    """Since when the cluster says it runs; None where nobody asked."""
    is_asked: bool = False
    """Whether a cluster was asked."""
    state: str = ""
    """The cluster's own words when it is not ready."""

    @property
    def begin(self) -> datetime:
        """The later one: a release soaks while it runs, not while it waits."""
        return max(self.merged, self.ready) if self.ready else self.merged


def soak(residence: Residence, *, target: Environment, now: datetime, override: str) -> Finding:
    """Judge whether the release was long enough where it comes from."""
    source = residence.environment
    if residence.is_asked and residence.ready is None:
        problem = f"the cluster of {source} does not run it: {residence.state or 'not ready'}"
        remedy = "wait until it is ready"
    else:
        lasted_s = (now - residence.begin).total_seconds()
        passed = f"{shown(lasted_s)} in {source}, {shown(target.soak_s)} are asked for"
        if lasted_s >= target.soak_s:
            return Finding("soak", Level.OK, passed)
        problem = passed
        remedy = f"wait {shown(target.soak_s - lasted_s)} more"
    if override:
        return Finding("soak", Level.OVERRIDDEN, f"{problem}; overridden: {override}")
    sentence = f"{problem}: {remedy}, or give a reason with --override-soak"
    return Finding("soak", Level.REFUSED, sentence)


def freeze(target: Environment, *, now: datetime, override: str) -> Finding:
    """Judge whether a freeze window holds."""
    holding = [window.reason for window in target.freeze if window.holds(now)]
    if not holding:
        return Finding("freeze", Level.OK, f"no freeze of {target.name} holds")
    if override:
        sentence = f"{target.name} is frozen ({holding[0]}); overridden: {override}"
        return Finding("freeze", Level.OVERRIDDEN, sentence)
    return Finding(
        "freeze",
        Level.REFUSED,
        f"{target.name} is frozen ({holding[0]}): wait, or give a reason with --override-freeze",
    )


def newer(pin: Pin, *, present: Pin | None, target: str) -> Finding:
    """Judge the direction: going back is a rollback, which has rules of its own."""
    if present is None:
        return Finding("version", Level.OK, f"{pin.chart_version} is the first of {target}")
    if precedence(pin.chart_version) > precedence(present.chart_version):
        way = f"{present.chart_version} → {pin.chart_version}"
        return Finding("version", Level.OK, way)
    if pin.chart_version == present.chart_version:
        return Finding(
            "version",
            Level.REFUSED,
            f"{target} runs another build of {pin.chart_version} ({present.chart_digest}): a "
            "version is built once, release a new one",
        )
    return Finding(
        "version",
        Level.REFUSED,
        f"{target} runs {present.chart_version}, newer than {pin.chart_version}: to go back, "
        f"`tradewind promote rollback {target}`",
    )


def back(pin: Pin, *, present: Pin, target: str, between: Sequence[Pin]) -> Finding:
    """Judge a rollback by the database: Airflow's migrations are not undone.

    `between` are the pins that ran after `pin`, the present one included.
    """
    migrating = [
        later for later in between if later.reversible != "true" and _may_differ(later, before=pin)
    ]
    if not migrating:
        way = f"{present.chart_version} → {pin.chart_version}"
        return Finding("database", Level.OK, f"{way} needs no other database")
    found = migrating[0]
    return Finding(
        "database",
        Level.REFUSED,
        f"{found.chart_version} may have migrated the database of {target} from "
        f"{pin.database_revision or 'an unknown revision'} to "
        f"{found.database_revision or 'an unknown one'}, and {pin.chart_version} would not run on "
        "it: release a fix instead, or restore the backup from before "
        "(a release flagged `reversible` may be rolled back)",
    )


def digests(pin: Pin, *, found: Mapping[str, str | None]) -> list[Finding]:
    """Judge what the registry has: reference -> its digest, None where it has nothing.

    `found` holds `chart:version`, and each image by its reference with digest.
    """
    tagged = f"{pin.chart}:{pin.chart_version}"
    findings = [_chart_digest(pin, tagged=tagged, has=found.get(tagged))]
    for name, reference in pin.images.items():
        if found.get(reference):
            findings.append(Finding("image", Level.OK, f"{name} {reference[-12:]} is there"))
        else:
            findings.append(
                Finding(
                    "image",
                    Level.REFUSED,
                    f"the registry has no {reference}: push it back, or release a new version",
                )
            )
    return findings


def _chart_digest(pin: Pin, *, tagged: str, has: str | None) -> Finding:
    if has == pin.chart_digest:
        return Finding("chart", Level.OK, f"{tagged} is {pin.chart_digest[:19]}…")
    if has is None:
        sentence = f"the registry has no {tagged}: push it back, or release a new version"
    else:
        sentence = (
            f"{tagged} is {has} in the registry, pinned is {pin.chart_digest}: somebody overwrote "
            "a version, release a new one"
        )
    return Finding("chart", Level.REFUSED, sentence)


def _may_differ(later: Pin, *, before: Pin) -> bool:
    # What does not say its revision may have any.
    known = later.database_revision and before.database_revision
    return not known or later.database_revision != before.database_revision
