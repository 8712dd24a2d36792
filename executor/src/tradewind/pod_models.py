"""Between the Kubernetes client's `V1Pod`, which users write, and the plain manifests we send.

The client is imported on first use: it costs half a second, and most deployments have neither a
`pod_override` nor a `pod_mutation_hook`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tradewind.errors import ConfigError

Manifest = dict[str, Any]

_LEGACY_KEY = "KubernetesExecutor"


def override_from(executor_config: dict[str, Any]) -> Manifest:
    """Return the `pod_override` of a task's `executor_config` as a plain manifest.

    Raises:
        ConfigError: it is no `kubernetes.client.models.V1Pod`, or holds something that no manifest
            can say.

    """
    from kubernetes.client.models import V1Pod  # noqa: PLC0415 - see the module's docstring

    if executor_config.get(_LEGACY_KEY):
        raise ConfigError(
            f"executor_config has the key {_LEGACY_KEY!r} of Airflow 1: give 'pod_override', "
            "a kubernetes.client.models.V1Pod"
        )
    override = executor_config.get("pod_override")
    if not isinstance(override, V1Pod):
        raise ConfigError(
            f"pod_override in executor_config is a {type(override).__name__}: "
            "give a kubernetes.client.models.V1Pod"
        )
    try:
        return dict(_api_client().sanitize_for_serialization(override))
    except Exception as error:
        raise ConfigError(
            f"pod_override in executor_config cannot be written as a manifest: {error}: give "
            "only kubernetes.client.models, text, numbers, lists and mappings"
        ) from error


def has_override(executor_config: dict[str, Any]) -> bool:
    """Tell whether `override_from` has something to return, or to refuse."""
    return bool(executor_config.get("pod_override") or executor_config.get(_LEGACY_KEY))


def through_hook(manifest: Manifest, *, hook: Callable[[Any], None]) -> Manifest:
    """Return the manifest after the user's `pod_mutation_hook` has changed it as a `V1Pod`.

    Raises:
        ConfigError: the installed models are older than a field of the manifest, and would lose it.

    """
    client = _api_client()
    pod = client._ApiClient__deserialize_model(manifest, _pod_class())  # noqa: SLF001
    if lost := _first_lost(manifest, client.sanitize_for_serialization(pod)):
        from kubernetes import __version__  # noqa: PLC0415 - see the module's docstring

        raise ConfigError(
            f"the pod has {lost}, which kubernetes {__version__} does not know, so that it would "
            "get lost on the way through pod_mutation_hook: install a newer `kubernetes`, or "
            "remove the field"
        )
    hook(pod)
    return dict(client.sanitize_for_serialization(pod))


def _first_lost(before: Any, after: Any) -> str:
    """Return the dotted path of the first field that only `before` has; empty when none."""
    if isinstance(before, dict):
        for key, value in before.items():
            if value is None:
                continue  # Says nothing, and the models do not write it.
            if key not in (after or {}):
                return str(key)
            if below := _first_lost(value, after[key]):
                return f"{key}.{below}" if not below.startswith("[") else key + below
    if isinstance(before, list):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            if below := _first_lost(one, other):
                return f"[{index}].{below}"
    return ""


def _pod_class() -> Any:
    from kubernetes.client.models import V1Pod  # noqa: PLC0415 - see the module's docstring

    return V1Pod


@functools.cache
def _api_client() -> Any:
    # A configuration of its own: the process-wide one carries hooks that cannot be pickled.
    from kubernetes.client import ApiClient, Configuration  # noqa: PLC0415

    return ApiClient(configuration=Configuration())
