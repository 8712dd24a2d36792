"""Whether a namespace's ResourceQuotas and LimitRanges leave room for a task pod. Pure.

The API server's own dry run has the last word on whether it takes the pod; this says which bound is
meant, what fills it, and how many task pods still fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tradewind.client.inspection import LimitItem, LimitRange, Quota
from tradewind.doctor.findings import Finding, fail, ok, warn
from tradewind.pods import quantities

QUOTA = "quota"
LIMITS = "limit range"

Side = Literal["requests", "limits"]
_Amounts = Mapping[str, Decimal]

_COUNTS = frozenset({"pods", "count/pods"})
_SHORT = frozenset({"cpu", "memory", "ephemeral-storage"})
"""In a quota, these alone mean requests."""
_KIB = Decimal(1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one container asks for, after the defaults of LimitRanges."""

    name: str
    requests: _Amounts
    limits: _Amounts
    runs_beside: bool = True
    """False for an init container, which runs before the others."""


def needs(manifest: Mapping[str, Any], ranges: Sequence[LimitRange]) -> list[Need]:
    """Return what the containers of a pod ask for.

    Raises:
        ValueError: a quantity is malformed; the API server's dry run says so too.

    """
    spec = manifest["spec"]
    items = [item for one in ranges for item in one.spec.limits if item.type == "Container"]
    beside = [_need(c, items) for c in spec["containers"]]
    before = [
        _need(c, items, runs_beside=c.get("restartPolicy") == "Always")
        for c in spec.get("initContainers") or ()
    ]
    return beside + before


def _need(
    container: Mapping[str, Any], items: Iterable[LimitItem], *, runs_beside: bool = True
) -> Need:
    resources = container.get("resources") or {}
    limits = _amounts(resources.get("limits") or {})
    # The API server lets a limit stand for a missing request before LimitRanges fill the rest.
    requests = limits | _amounts(resources.get("requests") or {})
    for item in items:
        limits = _amounts(item.default) | limits
        requests = _amounts(item.default_request or item.default) | requests
    return Need(
        name=str(container.get("name", "")),
        requests=requests,
        limits=limits,
        runs_beside=runs_beside,
    )


def _amounts(said: Mapping[str, Any]) -> dict[str, Decimal]:
    return {resource: quantities.parse(str(text)) for resource, text in said.items()}


def judge_limits(ranges: Sequence[LimitRange], containers: Sequence[Need]) -> list[Finding]:
    """Return what LimitRanges refuse about each container."""
    findings: list[Finding] = []
    for one in ranges:
        for item in one.spec.limits:
            if item.type == "Container":
                for container in containers:
                    findings += _out_of_bounds(one.metadata.name, item, container)
    return findings


def _out_of_bounds(name: str, item: LimitItem, container: Need) -> Iterable[Finding]:
    bounds: list[tuple[str, Mapping[str, str], Side]] = [
        ("most", item.max, "limits"),
        ("most", item.max, "requests"),
        ("least", item.min, "requests"),
    ]
    for word, bound, side in bounds:
        for resource, text in bound.items():
            asked = getattr(container, side).get(resource)
            if asked is None:
                continue
            edge = quantities.parse(text)
            if asked > edge if word == "most" else asked < edge:
                found = (
                    f"container {container.name!r} has {side}.{resource} "
                    f"{shown(asked, resource)}, LimitRange {name!r} allows at {word} {text}"
                )
                yield fail(LIMITS, found, f"set resources.{side}.{resource} of the container")


def judge_quota(quota: Quota, containers: Sequence[Need]) -> list[Finding]:
    """Return what a quota leaves to a task pod."""
    name = quota.metadata.name
    if quota.spec.scopes or quota.spec.scope_selector:
        said = f"quota {name!r} counts only some pods; the task pod's trial tells whether ours"
        return [ok(QUOTA, said)]
    findings: list[Finding] = []
    rooms: list[tuple[Decimal, str]] = []
    for resource, hard_text in quota.status.hard.items():
        hard = quantities.parse(hard_text)
        used = quantities.parse(quota.status.used.get(resource, "0"))
        asked = _asked(resource, containers)
        if isinstance(asked, Finding):
            findings.append(asked)
        elif asked is not None:
            finding = _judge_room(name, resource, asked=asked, used=used, hard=hard)
            findings += [finding] if finding else []
            rooms += [((hard - used) // asked, resource)] if asked else []
    if findings or not rooms:
        return findings
    room, resource = min(rooms)
    return [ok(QUOTA, f"quota {name!r} has room for {room} more task pods, then {resource} ends")]


def _judge_room(
    name: str, resource: str, *, asked: Decimal, used: Decimal, hard: Decimal
) -> Finding | None:
    if asked > hard:
        found = (
            f"a task pod counts {shown(asked, resource)} of {resource}, "
            f"all of quota {name!r} is {shown(hard, resource)}"
        )
        return fail(QUOTA, found, "raise the quota or lower the pod template's resources")
    if used + asked > hard:
        found = (
            f"quota {name!r} is full: {shown(used, resource)} of {shown(hard, resource)} "
            f"{resource} are used, a task pod counts {shown(asked, resource)}"
        )
        return warn(QUOTA, found, "tasks wait until pods end; raise the quota to run more at once")
    return None


def _asked(resource: str, containers: Sequence[Need]) -> Decimal | Finding | None:
    """Return what a pod counts of a quota's resource; None when it is none of a pod's."""
    if resource in _COUNTS:
        return Decimal(1)
    side, dot, bare = resource.partition(".")
    if resource in _SHORT:
        side, bare = "requests", resource
    elif not dot or side not in {"requests", "limits"} or bare == "storage":
        return None
    amounts: list[tuple[Need, Decimal | None]] = [
        (need, getattr(need, side).get(bare)) for need in containers
    ]
    silent = [need.name for need, amount in amounts if amount is None]
    if silent and bare in _SHORT:
        found = f"a quota counts {resource}, but container {silent[0]!r} says nothing about it"
        remedy = f"set resources.{side}.{bare} in the pod template, or a LimitRange's default"
        return fail(QUOTA, found, remedy)
    together = sum(
        (amount or Decimal(0) for need, amount in amounts if need.runs_beside), Decimal(0)
    )
    # An init container has the pod for itself; the pod counts its greatest moment.
    alone = [amount or Decimal(0) for need, amount in amounts if not need.runs_beside]
    return max([together, *alone])


def shown(amount: Decimal, resource: str) -> str:
    """Return an amount as people write it: `1.5`, `2Gi`."""
    if "memory" in resource or "storage" in resource:
        for unit in ("", "Ki", "Mi", "Gi"):
            if amount < _KIB or unit == "Gi":
                return f"{round(amount, 2).normalize():f}{unit}"
            amount /= _KIB
    return f"{round(amount, 3).normalize():f}"
