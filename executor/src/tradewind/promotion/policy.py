"""What every environment keeps to, whatever its values say: read off the rendered objects. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tradewind.promotion.findings import Finding, Level

PODS_OF = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"}
HOST = ("hostNetwork", "hostPID", "hostIPC")
MOST_SHOWN = 5
# libyaml's, ten times the speed; as safe as the other.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def judge(text: str, *, is_pinned: bool) -> list[Finding]:
    """Return a refusal for each rule that an object breaks, else one finding that all keep to them.

    `is_pinned`: the chart is a released one, into which the digests of images were baked.
    """
    broken: dict[str, list[str]] = {}
    for where, pod in _pods(text):
        for rule in _of_pod(pod):
            broken.setdefault(rule, []).append(where)
        for kind, container in _containers(pod):
            name = f"{where} ({container.get('name')})"
            for rule in _of_container(container, pod=pod, kind=kind, is_pinned=is_pinned):
                broken.setdefault(rule, []).append(name)
    if not broken:
        return [Finding("policy", Level.OK, "all pods keep to it")]
    return [
        Finding("policy", Level.REFUSED, f"{rule}: {_shown(places)}")
        for rule, places in sorted(broken.items())
    ]


def _pods(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for document in yaml.load_all(text, Loader=_LOADER):
        kind = (document or {}).get("kind")
        if kind not in PODS_OF:
            continue
        where = f"{kind}/{document['metadata'].get('name')}"
        spec = document.get("spec") or {}
        if kind != "Pod":
            spec = (spec.get("jobTemplate", {}).get("spec") or spec)["template"].get("spec") or {}
        yield where, spec


def _containers(pod: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("initContainers", "containers"):
        for container in pod.get(kind) or []:
            yield kind, container


def _of_pod(pod: Mapping[str, Any]) -> Iterator[str]:
    for key in HOST:
        if pod.get(key):
            yield f"{key} is for nodes, not for Airflow"
    for volume in pod.get("volumes") or []:
        if "hostPath" in volume:
            yield f"volume {volume.get('name')} is a path of the node"


def _of_container(
    container: Mapping[str, Any], *, pod: Mapping[str, Any], kind: str, is_pinned: bool
) -> Iterator[str]:
    own = container.get("securityContext") or {}
    whole = pod.get("securityContext") or {}
    if is_pinned and "@sha256:" not in str(container.get("image")):
        yield "an image has no digest"
    if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
        yield "privileges may grow (set allowPrivilegeEscalation: false)"
    if not own.get("runAsNonRoot", whole.get("runAsNonRoot")):
        yield "may run as root (set runAsNonRoot: true)"
    if "ALL" not in ((own.get("capabilities") or {}).get("drop") or []):
        yield "keeps capabilities (drop ALL)"
    limits = (container.get("resources") or {}).get("limits") or {}
    if kind == "containers" and "memory" not in limits:
        yield "has no memory limit"


def _shown(places: list[str]) -> str:
    more = f" and {len(places) - MOST_SHOWN} more" if len(places) > MOST_SHOWN else ""
    return ", ".join(places[:MOST_SHOWN]) + more
