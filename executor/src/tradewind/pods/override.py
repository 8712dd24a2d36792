"""What a task may change of its pod, judged before it is laid over the pod. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.errors import ConfigError
from tradewind.pods import validate
from tradewind.pods.merge import BASE_CONTAINER, Manifest
from tradewind.pods.schema import conform, refuse_huge

SOURCE = "pod_override"


def validated(document: Mapping[str, Any], *, pod: Manifest, forbidden: Sequence[str]) -> Manifest:
    """Return a task's `pod_override`, ready to be laid over `pod`.

    Args:
        document: the override as a plain manifest.
        pod: what the override will be laid over; tells which container names are known.
        forbidden: dotted paths of fields that no override may set, without list indices.

    Raises:
        ConfigError: a field is unknown, forbidden, or has a value that cannot work.

    """
    refuse_huge(document, source=SOURCE)
    override: Manifest = conform(dict(document), source=SOURCE)
    _name_base(override, pod)
    _refuse_arguments(override)
    for path in forbidden:
        if _sets(override, path.split(".")):
            raise ConfigError(
                f"{SOURCE}: {path} is forbidden here by [tradewind] forbidden_override_fields: "
                "remove it, or ask for a profile that has it"
            )
    validate.check(override, source=SOURCE)
    return override


def _name_base(override: Manifest, pod: Manifest) -> None:
    """Let a single container of an unknown name mean the task's, as upstream's merge does."""
    containers = override.get("spec", {}).get("containers", [])
    known = {container.get("name") for container in pod["spec"]["containers"]}
    named = {container.get("name") for container in containers}
    if not containers or named & known:
        return
    if len(containers) > 1:
        raise ConfigError(
            f"{SOURCE}: spec.containers has {len(containers)} containers and no "
            f"{BASE_CONTAINER!r}: name the one that runs the task {BASE_CONTAINER!r}"
        )
    containers[0]["name"] = BASE_CONTAINER


def _refuse_arguments(override: Manifest) -> None:
    for index, container in enumerate(override.get("spec", {}).get("containers", [])):
        if container.get("name") == BASE_CONTAINER and "args" in container:
            raise ConfigError(
                f"{SOURCE}: spec.containers[{index}].args would replace the worker's command, so "
                "that the task never runs: remove it; a `command` gets those args"
            )


def _sets(node: Any, path: Sequence[str]) -> bool:
    if isinstance(node, list):
        return any(_sets(item, path) for item in node)
    if not path:
        return True
    return isinstance(node, dict) and path[0] in node and _sets(node[path[0]], path[1:])
