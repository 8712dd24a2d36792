"""Judge a change on the server: gather from git and registry what the guard's rules ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tradewind.promotion import guard, messages, order, pins, rules
from tradewind.promotion.findings import ConflictError, Finding, Level, UnusableError
from tradewind.promotion.git import Repository
from tradewind.promotion.guard import Change
from tradewind.promotion.pins import Pin
from tradewind.promotion.registry import Registry
from tradewind.promotion.releases import Releases
from tradewind.promotion.rules import Overrides, Residence


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """What all changes of one call are judged with."""

    repository: Repository
    registry: Registry | None
    """None: the registry is not asked."""
    now: datetime


def check(judge: Judge, *, base: str, head: str, branch: str = "") -> list[Finding]:
    """Return what the rules say to the change from where `head` parted from `base`.

    Raises:
        UnusableError: unknown commits, or malformed files on either side.
        UnreachableError: the registry does not answer.

    """
    repository = judge.repository
    main, tip = Releases(repository, base), Releases(repository, head)
    start = repository.merge_base(base, head=head)
    change = Change(paths=repository.changed(start, head=head), branch=branch)
    if repository.text(base, path=order.PATH) is None:
        return _first(tip)
    known = main.order().names
    findings = [*guard.files(change, known=known), *guard.rules_change(change)]
    if order.PATH in change.paths:
        tip.order()  # What is malformed is refused before it is the rule.
    present = {name: main.pin(name) for name in known}
    new = [name for name in change.environments if name not in known]
    findings += [guard.added(name, pin=_pin(tip, name), present=present) for name in new]
    changed = [name for name in change.environments if name in known]
    if len(changed) == 1:
        reasons = _reasons(repository.messages(start, head=head))
        findings += _release(judge, main, _pin(tip, changed[0]), changed[0], reasons)
    return findings


def check_each(judge: Judge, *, base: str, head: str) -> list[tuple[str, list[Finding]]]:
    """Return (commit, findings) of every commit that a push adds to the main line, oldest first.

    Raises:
        ConflictError: the push would take commits off the line; and as `check`.

    """
    if judge.repository.merge_base(base, head=head) != base:
        raise ConflictError(
            f"{head[:12]} does not contain {base[:12]}: fetch the main branch and start from there"
        )
    found = []
    parent = base
    for commit in judge.repository.line(base, head=head):
        found.append((commit, check(judge, base=parent, head=commit)))
        parent = commit
    return found


def _first(tip: Releases) -> list[Finding]:
    names = tip.order().names
    return [Finding("files", Level.OK, f"the environments begin here: {', '.join(names)}")]


def _pin(releases: Releases, name: str) -> Pin | None:
    path = order.release_path(name)
    text = releases.repository.text(releases.commit, path=path)
    return pins.parse(text, path=path) if text is not None else None


def _release(
    judge: Judge, main: Releases, pin: Pin | None, name: str, reasons: Overrides
) -> list[Finding]:
    present = main.pin(name)
    if pin is None:
        level = Level.OK if present is None else Level.REFUSED
        return [Finding("version", level, f"{name} would have no release: promote one instead")]
    if pin.same_release(present):
        return [Finding("version", Level.OK, f"{name} goes on running {pin.chart_version}")]
    ordered = main.order()
    before = ordered.before(name)
    stays = main.stays(name)
    earlier = [stay.pin for stay in stays]
    source = main.pin(before.name) if before else None
    kind = guard.way(pin, environment=name, order=ordered, source=source, earlier=earlier)
    if isinstance(kind, Finding):
        return [kind]
    target = ordered.find(name)
    freeze = rules.freeze(target, now=judge.now, override=reasons.freeze)
    if kind == "rollback" and present:
        index = next(n for n, other in enumerate(earlier) if n and pin.same_release(other))
        back = rules.back(pin, present=present, target=name, between=earlier[:index])
        return [back, freeze, *_digests(judge, pin)]
    findings = [rules.newer(pin, present=present, target=name), freeze]
    if before:
        findings.append(_soak(judge, main, before=before.name, name=name, reasons=reasons))
    return [*findings, *_digests(judge, pin)]


def _soak(judge: Judge, main: Releases, *, before: str, name: str, reasons: Overrides) -> Finding:
    stays = main.stays(before)
    if not stays:
        raise UnusableError(f"the history of {before} is not here: fetch all of it")
    residence = Residence(environment=before, merged=stays[0].since)
    target = main.order().find(name)
    return rules.soak(residence, target=target, now=judge.now, override=reasons.soak)


def _digests(judge: Judge, pin: Pin) -> list[Finding]:
    if judge.registry is None:
        return [Finding("chart", Level.NOTE, "the registry was not asked")]
    wanted = [f"{pin.chart}:{pin.chart_version}", *pin.images.values()]
    return rules.digests(pin, found=judge.registry.digests(wanted))


def _reasons(commit_messages: list[str]) -> Overrides:
    found: dict[str, str] = {}
    for message in reversed(commit_messages):
        found |= messages.trailers(message)
    return Overrides(
        soak=found.get(messages.SOAK_OVERRIDE, ""),
        freeze=found.get(messages.FREEZE_OVERRIDE, ""),
    )
