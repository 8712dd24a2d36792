"""Put a promotion or a rollback together: gather facts, judge them, write texts. Pushes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tradewind.promotion import cluster, drift, helm, messages, rendered, rules
from tradewind.promotion.findings import (
    Finding,
    Level,
    RefusedError,
    UnusableError,
    refused,
)
from tradewind.promotion.history import Stay
from tradewind.promotion.order import release_path, shown, values_paths
from tradewind.promotion.pins import Pin, dump
from tradewind.promotion.registry import Registry
from tradewind.promotion.releases import Releases
from tradewind.promotion.rendered import Difference
from tradewind.promotion.rules import Overrides, Residence


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where to ask what runs. An empty context asks nobody."""

    context: str = ""
    engine: str = "flux"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Everything that facts are taken from."""

    releases: Releases
    registry: Registry
    now: datetime
    cluster: Cluster = Cluster()
    """Of the environment that the release comes from."""
    chart: Path | None = None
    """Render this folder instead of the pinned charts; for repositories of the chart itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be pushed, and everything a person needs to judge it."""

    target: str
    source: str
    """Empty for a rollback."""
    pin: Pin
    present: Pin | None
    findings: tuple[Finding, ...]
    difference: Difference
    base: str
    """The main branch's commit that all of it was read from."""
    branch: str
    title: str
    message: str
    body: str

    @property
    def path(self) -> str:
        """The one file."""
        return release_path(self.target)

    @property
    def text(self) -> str:
        """The file's content."""
        return dump(self.pin)


def promotion(
    sources: Sources, *, source: str, target: str, version: str, overrides: Overrides
) -> Proposal | None:
    """Return the way of what runs in `source` to `target`; None when it is there already.

    Raises:
        RefusedError: the hop jumps an environment, or `version` is not what runs in `source`.
        UnusableError: an unknown environment, or a malformed file.
        UnreachableError: registry or cluster do not answer.

    """
    hop = sources.releases.order().hop(source, target=target)
    stay = _stay(sources.releases, source)
    if version and version != stay.pin.chart_version:
        raise RefusedError(
            f"{source} runs {stay.pin.chart_version}, not {version}: only what runs there is "
            "promoted"
        )
    present = sources.releases.pin(target)
    if stay.pin.same_release(present):
        return None
    residence = _residence(sources, environment=source, stay=stay)
    pin = _with_origin(stay.pin, source)
    findings = [
        rules.newer(pin, present=present, target=target),
        rules.soak(residence, target=hop, now=sources.now, override=overrides.soak),
        rules.freeze(hop, now=sources.now, override=overrides.freeze),
        *_of_registry(sources.registry, pin),
        *_drift(sources.releases, source=source, target=target),
    ]
    soaked = shown((sources.now - residence.begin).total_seconds())
    trailers = {
        messages.PROMOTED_FROM: source,
        "Chart-Digest": pin.chart_digest,
        "Soak": soaked,
        "Source-Commit": pin.git_commit,
    } | _reasons(findings, overrides)
    draft = _Draft(
        target=target,
        source=source,
        pin=pin,
        present=present,
        findings=findings,
        trailers=trailers,
        branch=messages.branch(target, pin=pin),
    )
    return _finished(draft, sources=sources)


def rollback(sources: Sources, *, target: str, to: str, overrides: Overrides) -> Proposal:
    """Return the way back to the release before, or to the one that commit `to` brought.

    Raises:
        RefusedError: there is no release before.
        UnusableError: an unknown environment, or a commit that brought no release to it.

    """
    environment = sources.releases.order().find(target)
    present = _stay(sources.releases, target)
    stays = sources.releases.stays(target)
    index = _earlier(stays, target=target, to=to)
    pin = _with_origin(stays[index].pin, stays[index].pin.promoted_from)
    between = [stay.pin for stay in stays[:index]]
    findings = [
        rules.back(pin, present=present.pin, target=target, between=between),
        rules.freeze(environment, now=sources.now, override=overrides.freeze),
        *_of_registry(sources.registry, pin),
    ]
    trailers = {
        messages.ROLLED_BACK_TO: stays[index].commit,
        "Chart-Digest": pin.chart_digest,
        "Source-Commit": pin.git_commit,
    } | _reasons(findings, overrides)
    draft = _Draft(
        target=target,
        source="",
        pin=pin,
        present=present.pin,
        findings=findings,
        trailers=trailers,
        branch=messages.branch(target, pin=pin, verb="rollback"),
    )
    return _finished(draft, sources=sources)


def rendering(sources: Sources, pin: Pin | None, *, environment: str) -> str:
    """Return an environment's manifests with a pin; empty when nothing is pinned."""
    chart: Path | bytes
    if sources.chart:
        chart = sources.chart
    elif pin:
        chart = sources.registry.chart(f"{pin.chart}@{pin.chart_digest}")
    else:
        return ""
    values = sources.releases.values(environment)
    return helm.template(chart, environment=environment, values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A proposal before its rendering and its texts."""

    target: str
    source: str
    pin: Pin
    present: Pin | None
    findings: list[Finding]
    trailers: Mapping[str, str]
    branch: str


def _finished(draft: _Draft, *, sources: Sources) -> Proposal:
    findings, difference = list(draft.findings), Difference("", 0, 0, 0, is_known=False)
    # What is refused anyway is not rendered: the chart may be the very thing that is missing.
    if not refused(findings):
        before, notes = _before(draft, sources=sources)
        after = rendering(sources, draft.pin, environment=draft.target)
        findings += notes
        difference = rendered.difference(before, after=after)
    subject = messages.title(draft.target, pin=draft.pin, source=draft.source)
    body = messages.body(draft.pin, present=draft.present, findings=findings, difference=difference)
    return Proposal(
        target=draft.target,
        source=draft.source,
        pin=draft.pin,
        present=draft.present,
        findings=tuple(findings),
        difference=difference,
        base=sources.releases.commit,
        branch=draft.branch,
        title=subject,
        message=messages.commit(subject, trailers=draft.trailers),
        body=body,
    )


def _before(draft: _Draft, *, sources: Sources) -> tuple[str, list[Finding]]:
    """Return what renders now. A release that does not even render is what one gets away from."""
    try:
        return rendering(sources, draft.present, environment=draft.target), []
    except RefusedError as error:
        return "", [Finding("before", Level.NOTE, f"nothing to compare with: {error}")]


def _stay(releases: Releases, name: str) -> Stay:
    pin = releases.pin(name)
    if pin is None:
        raise RefusedError(f"{name} has no release yet: promote or release to it first")
    newest = releases.stays(name)
    if not newest or not newest[0].pin.same_release(pin):
        raise UnusableError(
            f"the history of {release_path(name)} is not here: fetch all of it (git fetch "
            "--unshallow)"
        )
    return newest[0]


def _earlier(stays: list[Stay], *, target: str, to: str) -> int:
    if not to:
        if len(stays) < 2:  # noqa: PLR2004 - the present one and one before
            raise RefusedError(f"{target} has had no other release: there is nothing to go back to")
        return 1
    for index, stay in enumerate(stays):
        if stay.commit.startswith(to) and index:
            return index
    known = ", ".join(f"{stay.commit[:12]} ({stay.pin.chart_version})" for stay in stays[1:6])
    raise UnusableError(
        f"commit {to!r} brought no earlier release to {target}: choose one of {known or 'none'}"
    )


def _residence(sources: Sources, *, environment: str, stay: Stay) -> Residence:
    chosen = sources.cluster
    if not chosen.context:
        return Residence(environment=environment, merged=stay.since)
    applied = cluster.ask(environment, context=chosen.context, engine=chosen.engine)
    is_ours = applied.runs(stay.pin)
    return Residence(
        environment=environment,
        merged=stay.since,
        ready=applied.ready_since if is_ours else None,
        is_asked=True,
        state=applied.state if is_ours else f"it runs {applied.version or 'nothing'}",
    )


def _of_registry(registry: Registry, pin: Pin) -> list[Finding]:
    wanted = [f"{pin.chart}:{pin.chart_version}", *pin.images.values()]
    return rules.digests(pin, found=registry.digests(wanted))


def _drift(releases: Releases, *, source: str, target: str) -> list[Finding]:
    loaded = [
        drift.load(releases.values(name)[-1], path=values_paths(name)[-1])
        for name in (source, target)
    ]
    return drift.judge(loaded[0], target=loaded[1], names=(source, target))


def _with_origin(pin: Pin, origin: str) -> Pin:
    fields = {name: getattr(pin, name) for name in Pin.__slots__}
    return Pin(**fields | {"promoted_from": origin})


def _reasons(findings: list[Finding], overrides: Overrides) -> dict[str, str]:
    """Return the trailers of reasons that were needed; what held anyway leaves none."""
    needed = {finding.rule for finding in findings if finding.level is Level.OVERRIDDEN}
    return {
        messages.SOAK_OVERRIDE: overrides.soak if "soak" in needed else "",
        messages.FREEZE_OVERRIDE: overrides.freeze if "freeze" in needed else "",
    }
