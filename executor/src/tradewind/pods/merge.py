"""Lay one pod manifest over another. Pure; neither is changed, the result shares their parts.

Upstream's rules (`PodGenerator.reconcile_pods`) but for a short list, which
tests/unit/executor/pods/test_upstream_equality.py holds and docs/pod-templates.md explains:
a field that is said replaces the whole field, unless a table below says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

Manifest = dict[str, Any]

BASE_CONTAINER = "base"
"""Upstream's name of the container that runs the task."""

_FIELD_BY_FIELD = frozenset(
    {"metadata", "spec", "labels", "annotations", "securityContext", "capabilities"}
)
"""Mappings whose fields are laid over one by one."""
_CONTAINERS = frozenset({"containers", "initContainers"})
"""Lists whose items of one name are laid over one another."""
_CONCATENATED = frozenset({"envFrom"})

_Identify = Callable[[Mapping[str, Any]], Hashable]


def _port(item: Mapping[str, Any]) -> Hashable:
    return (item.get("containerPort"), item.get("protocol", "TCP"))


_REPLACED_BY: dict[str, _Identify] = {
    "env": lambda item: item.get("name"),
    "volumes": lambda item: item.get("name"),
    "volumeMounts": lambda item: item.get("mountPath"),
    "volumeDevices": lambda item: item.get("devicePath"),
    "ports": _port,
}
"""Lists in which a later item takes the place of an earlier one of the same identity. Merging the
two instead would give a variable two sources, or a volume two kinds."""


def merge(base: Manifest, over: Manifest) -> Manifest:
    """Return `base` with `over` laid on top; None in `over` means "not said"."""
    said = {name: value for name, value in over.items() if value is not None}
    return base | {name: _field(name, base.get(name), value) for name, value in said.items()}


def _field(name: str, base: Any, over: Any) -> Any:
    if base is None or over == "":
        return over if base is None else base  # Unlike 0, false and [], "" is unset to Kubernetes.
    if name in _FIELD_BY_FIELD:
        return merge(base, over)
    if name in _CONTAINERS:
        return _containers(base, over)
    if name in _CONCATENATED:
        return [*base, *over]
    if name in _REPLACED_BY:
        identify = _REPLACED_BY[name]
        return list({identify(item): item for item in (*base, *over)}.values())
    return over


def _containers(base: list[Manifest], over: list[Manifest]) -> list[Manifest]:
    merged = {container.get("name"): container for container in base}
    for container in over:
        name = container.get("name")
        merged[name] = merge(merged.get(name, {}), container)
    return list(merged.values())
