"""More memory for a task whose earlier tries were killed for want of it. Pure."""

from __future__ import annotations

from decimal import Decimal

from tradewind.pods import quantities
from tradewind.pods.merge import BASE_CONTAINER, Manifest


def raise_after_oom(manifest: Manifest, *, kills: int, factor: float, cap: str) -> Manifest:
    """Return the pod with the base container's memory times `factor` for each of `kills`.

    Request and limit grow alike, each up to `cap` and never below what it was. A container that
    names no memory is left alone, as is everything while `factor` is 1. `manifest` may be changed.
    """
    if kills < 1 or factor <= 1:
        return manifest
    growth = Decimal(str(factor)) ** kills
    for container in manifest["spec"]["containers"]:
        if container.get("name") == BASE_CONTAINER:
            container["resources"] = _raised(container.get("resources", {}), growth, cap)
    return manifest


def _raised(resources: Manifest, growth: Decimal, cap: str) -> Manifest:
    raised = dict(resources)
    for part in ("requests", "limits"):
        if memory := resources.get(part, {}).get("memory"):
            before, most = quantities.parse(memory), quantities.parse(cap)
            after = min(before * growth, most)
            if after > before:
                text = cap if after == most else quantities.mebibytes(after)
                raised[part] = {**resources[part], "memory": text}
    return raised
