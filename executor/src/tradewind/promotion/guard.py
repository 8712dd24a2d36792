"""What a change to the main branch may do to releases: the same rules, where nobody gets past them.

Pure. Whatever order, soak and earlier pins say is read from the base, so that no change loosens
the rules that it is judged by.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tradewind.promotion.findings import Finding, Level
from tradewind.promotion.order import PATH, Order
from tradewind.promotion.pins import Pin, precedence

RELEASE = re.compile(r"environments/([^/]+)/release\.yaml")
BRANCH = re.compile(r"(?:promote|rollback)/([^/]+)/.+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a change does to files, and what its branch is called."""

    paths: Sequence[str]
    branch: str = ""
    """Empty where nobody knows."""

    @property
    def environments(self) -> list[str]:
        """The environments whose release changes."""
        found = (RELEASE.fullmatch(path) for path in self.paths)
        return [match[1] for match in found if match]

    @property
    def promised(self) -> str:
        """The environment that the branch's name speaks of, empty for other branches."""
        found = BRANCH.fullmatch(self.branch)
        return found[1] if found else ""


def files(change: Change, *, known: Sequence[str]) -> list[Finding]:
    """Judge which files a change may touch; `known` are the environments of the base."""
    names = [name for name in change.environments if name in known]
    if not names:
        if change.promised:
            return [_refuse("files", f"branch {change.branch} changes no {change.promised}: {ONE}")]
        return [Finding("files", Level.OK, "no release of an environment changes")]
    if len(names) > 1:
        return [_refuse("files", f"changes {' and '.join(names)} at once: {ONE}")]
    if change.promised and change.promised != names[0]:
        return [_refuse("files", f"branch {change.branch} changes {names[0]}: {ONE}")]
    wanted = f"environments/{names[0]}/release.yaml"
    if extra := [path for path in change.paths if path != wanted]:
        more = f" and {len(extra) - 3} more" if len(extra) > 3 else ""  # noqa: PLR2004
        shown = ", ".join(extra[:3])
        return [_refuse("files", f"changes {shown}{more} beside {wanted}: {ONE}")]
    return [Finding("files", Level.OK, f"{wanted} alone")]


ONE = "a promotion is one environment's release.yaml and nothing else, take the rest apart"


def rules_change(change: Change) -> list[Finding]:
    """Note for reviewers that the rules themselves change."""
    if PATH not in change.paths:
        return []
    return [Finding("order", Level.NOTE, f"{PATH} changes: what is asked of releases changes")]


def added(name: str, *, pin: Pin | None, present: Mapping[str, Pin | None]) -> Finding:
    """Judge the release of an environment that the base does not have."""
    if pin is None:
        return Finding("new", Level.OK, f"{name} is new and starts without a release")
    runs = [other for other, running in present.items() if pin.same_release(running)]
    if runs:
        return Finding("new", Level.OK, f"{name} is new and starts with what {runs[0]} runs")
    return _refuse(
        "new",
        f"{name} is new and pins {pin.chart_version}, which no environment runs: copy the "
        "release.yaml of one that does",
    )


def way(
    pin: Pin, *, environment: str, order: Order, source: Pin | None, earlier: Sequence[Pin]
) -> str | Finding:
    """Tell what a changed pin is: `release`, `promotion` or `rollback`, or why it is none.

    `source` is what the environment before runs, `earlier` what ran in this one, newest first.
    """
    before = order.before(environment)
    if before is None:
        return "rollback" if _ran(pin, earlier[1:]) else "release"
    is_promotion = pin.same_release(source)
    present = earlier[0] if earlier else None
    if _ran(pin, earlier[1:]) and not (is_promotion and _is_newer(pin, present)):
        return "rollback"
    if not is_promotion:
        running = source.chart_version if source else "nothing"
        return _refuse(
            "order",
            f"{environment} would get {pin.chart_version} ({pin.chart_digest[:19]}…), but "
            f"{before.name} runs {running}: promote what runs there, or roll back to what ran here",
        )
    if pin.promoted_from != before.name:
        return _refuse(
            "order",
            f"release.yaml says promotedFrom {pin.promoted_from!r}, {environment} follows "
            f"{before.name}: let `tradewind promote` write it",
        )
    return "promotion"


def _ran(pin: Pin, earlier: Sequence[Pin]) -> bool:
    return any(pin.same_release(other) for other in earlier)


def _is_newer(pin: Pin, present: Pin | None) -> bool:
    return present is None or precedence(pin.chart_version) > precedence(present.chart_version)


def _refuse(rule: str, sentence: str) -> Finding:
    return Finding(rule, Level.REFUSED, sentence)
