"""How calls to the API server are made, read from the options that upstream has for them. Pure.

Upstream hands these to Kubernetes' Python client as they are. Calls are made without that client
here, so the arguments that mean something are taken and every other one is refused: one that is
left out silently would be missed only when it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import ConfigError

CONNECT_TIMEOUT_S = 10.0
_PROPAGATIONS = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepalive:
    """When TCP probes a silent connection, so that one whose way vanished is found dead."""

    idle_s: int = 30
    interval_s: int = 10
    probes: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Bounds of one call, in seconds."""

    connect_s: float = CONNECT_TIMEOUT_S
    request_s: float | None = None
    """For the whole call; None where nothing is said."""


def timeouts(text: str, *, origin: str) -> Timeouts:
    """Return what `kube_client_request_args` says; `origin` names the option in errors.

    Raises:
        ConfigError: it is no JSON object, or has an argument that cannot be passed on.

    """
    given = _object(text, origin=origin)
    value = given.pop("_request_timeout", None)
    if given:
        raise ConfigError(
            f"{origin} has {_names(given)}: take it out, only _request_timeout can be passed on"
        )
    if value is None:
        return Timeouts()
    if _is_seconds(value):
        return Timeouts(request_s=float(value))
    if isinstance(value, list) and len(value) == 2 and all(map(_is_seconds, value)):  # noqa: PLR2004
        connect_s, read_s = map(float, value)
        return Timeouts(connect_s=connect_s, request_s=connect_s + read_s)
    raise ConfigError(
        f"{origin} has the _request_timeout {json.dumps(value)}: write seconds above 0, or a list "
        "of those to connect and those to answer, such as [10, 30]"
    )


def deletion(text: str, *, origin: str) -> Mapping[str, Any]:
    """Return the fields of a `DeleteOptions` that `delete_option_kwargs` sets.

    Raises:
        ConfigError: it is no JSON object, or has an option that cannot be passed on.

    """
    given = _object(text, origin=origin)
    fields: dict[str, Any] = {}
    grace_s = given.pop("grace_period_seconds", None)
    if grace_s is not None:
        if isinstance(grace_s, bool) or not isinstance(grace_s, int) or grace_s < 0:
            raise ConfigError(
                f"{origin} has the grace_period_seconds {json.dumps(grace_s)}: write whole seconds"
            )
        fields["gracePeriodSeconds"] = grace_s
    policy = given.pop("propagation_policy", None)
    if policy is not None:
        if policy not in _PROPAGATIONS:
            raise ConfigError(
                f"{origin} has the propagation_policy {json.dumps(policy)}: choose one of "
                f"{', '.join(_PROPAGATIONS)}"
            )
        fields["propagationPolicy"] = policy
    if given:
        raise ConfigError(
            f"{origin} has {_names(given)}: take it out, only grace_period_seconds and "
            "propagation_policy can be passed on"
        )
    return fields


def _object(text: str, *, origin: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise ConfigError(f"{origin} is no JSON ({error}): write an object on one line") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{origin} is a JSON {type(value).__name__}: write an object, {{…}}")
    return value


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _names(given: Mapping[str, Any]) -> str:
    return ", ".join(sorted(map(repr, given)))
