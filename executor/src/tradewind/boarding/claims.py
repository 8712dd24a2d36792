"""Whose pod a token speaks for, and whether we listen to it. Pure.

The signature was verified before; here the claims are judged, in the order of the table in
`identity_of`. Every refusal has a name from a closed set, which the answer, the metric and the log
share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

DenialReason = Literal[
    "no_token",
    "malformed",
    "unknown_key",
    "signature",
    "not_authenticated",
    "issuer",
    "audience",
    "expired",
    "not_yet_valid",
    "not_pod_bound",
    "service_account",
    "foreign_pod",
]

LEEWAY_S = 60.0
"""Kubernetes' own: its API server accepts a token for that long after its end and before its
beginning, because clocks differ."""
_SUBJECT = "system:serviceaccount"


class Denied(Exception):  # noqa: N818 - an answer, not a fault
    """The identity is not accepted; nothing else was looked at."""

    def __init__(self, reason: DenialReason) -> None:
        super().__init__(reason)
        self.reason: DenialReason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which tokens we listen to."""

    audience: str
    accounts: tuple[str, ...]
    """`NAMESPACE:NAME`, where `*` stands for any; nobody is accepted by an empty list."""
    namespaces: tuple[str, ...]
    """Where pods are watched; empty for everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A pod, as its cluster vouches for it."""

    namespace: str
    pod_name: str
    pod_uid: str
    expires_s: float
    """Seconds since the epoch."""


class _Bound(msgspec.Struct, frozen=True):
    name: str = ""
    uid: str = ""


class _Kubernetes(msgspec.Struct, frozen=True):
    namespace: str = ""
    pod: _Bound | None = None
    serviceaccount: _Bound | None = None


class _Claims(msgspec.Struct, frozen=True, rename={"kubernetes": "kubernetes.io"}):
    iss: str = ""
    aud: str | tuple[str, ...] = ()
    sub: str = ""
    exp: float = 0.0
    nbf: float = 0.0
    kubernetes: _Kubernetes = _Kubernetes()


_decoder = msgspec.json.Decoder(_Claims)


def accounts_of(configured: Sequence[str], *, namespaces: Sequence[str]) -> tuple[str, ...]:
    """Return whom to accept: who is named, else everybody in the watched namespaces.

    Where every namespace is watched, an empty list stays empty: anybody who may make pods anywhere
    in the cluster would be accepted otherwise.
    """
    return tuple(configured) or tuple(f"{namespace}:*" for namespace in namespaces)


def identity_of(payload: bytes, *, rules: Rules, issuer: str | None, now_s: float) -> Identity:
    """Return the pod that the claims speak for; `now_s` is the wall clock.

    An `issuer` of None was checked by the API server.

    Raises:
        Denied: we do not listen to it.

    """
    try:
        claims = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Denied("malformed") from error
    pod, account = claims.kubernetes.pod, claims.kubernetes.serviceaccount
    checks: Mapping[DenialReason, Callable[[], bool]] = {
        "issuer": lambda: issuer is None or claims.iss == issuer,
        "audience": lambda: rules.audience in _audiences(claims.aud),
        "expired": lambda: now_s < claims.exp + LEEWAY_S,
        "not_yet_valid": lambda: claims.nbf - LEEWAY_S <= now_s,
        "not_pod_bound": lambda: pod is not None and bool(pod.uid and pod.name),
        "service_account": lambda: account is not None and _accepted(claims, account.name, rules),
    }
    for reason, holds in checks.items():
        if not holds():
            raise Denied(reason)
    assert pod is not None  # noqa: S101 - the table says so, which the type checker cannot see
    return Identity(
        namespace=claims.kubernetes.namespace,
        pod_name=pod.name,
        pod_uid=pod.uid,
        expires_s=claims.exp,
    )


def _audiences(claimed: str | tuple[str, ...]) -> tuple[str, ...]:
    return (claimed,) if isinstance(claimed, str) else claimed


def _accepted(claims: _Claims, account: str, rules: Rules) -> bool:
    """Return whether subject and bound account agree and are among the accepted ones."""
    namespace = claims.kubernetes.namespace
    if not namespace or claims.sub != f"{_SUBJECT}:{namespace}:{account}":
        return False
    if rules.namespaces and namespace not in rules.namespaces:
        return False
    for accepted in rules.accounts:
        where, _, who = accepted.partition(":")
        if where in {"*", namespace} and who in {"*", account}:
            return True
    return False
