"""What the doctor asks of an API server: may we, is there room, would you take this pod?

Reads and dry runs only; nothing here changes anything. Kept apart from `Cluster`, so that the
executor's own calls stay few. Loop thread only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from tradewind.client.errors import ConnectionLostError
from tradewind.client.refusals import excerpt
from tradewind.client.transport import Transport


class _Base(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Kubernetes' JSON is camelCase; unknown fields are ignored."""


class Named(_Base, frozen=True):
    """An object's name."""

    name: str = ""


class QuotaSpec(_Base, frozen=True):
    """Which pods a quota counts."""

    scopes: tuple[str, ...] = ()
    scope_selector: dict[str, Any] | None = None


class QuotaStatus(_Base, frozen=True):
    """What a quota allows and what is used of it, as Kubernetes quantities by resource."""

    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class Quota(_Base, frozen=True):
    """A ResourceQuota."""

    metadata: Named = Named()
    spec: QuotaSpec = QuotaSpec()
    status: QuotaStatus = QuotaStatus()


class LimitItem(_Base, frozen=True):
    """Bounds and defaults of every `Container` or every `Pod`, as Kubernetes quantities."""

    type: str = ""
    max: dict[str, str] = {}
    min: dict[str, str] = {}
    default: dict[str, str] = {}
    default_request: dict[str, str] = {}


class LimitSpec(_Base, frozen=True):
    """The bounds of a LimitRange."""

    limits: tuple[LimitItem, ...] = ()


class LimitRange(_Base, frozen=True):
    """A LimitRange."""

    metadata: Named = Named()
    spec: LimitSpec = LimitSpec()


class _Quotas(_Base, frozen=True):
    items: tuple[Quota, ...] = ()


class _LimitRanges(_Base, frozen=True):
    items: tuple[LimitRange, ...] = ()


class _Version(_Base, frozen=True):
    git_version: str


class _ReviewStatus(_Base, frozen=True):
    allowed: bool = False


class _Review(_Base, frozen=True):
    status: _ReviewStatus


_Decoded = TypeVar("_Decoded")


class Inspection(Protocol):
    """Calls raise `ApiError` for an error status and `ConnectionLostError` for no answer."""

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the server's, in whole seconds; None when it is unknown."""
        ...

    async def version(self) -> str:
        """Return the server's version, for instance `v1.36.3`."""
        ...

    async def may(self, verb: str, resource: str, subresource: str, *, namespace: str) -> bool:
        """Return whether we may; an empty `namespace` means in all of them."""
        ...

    async def quotas(self, namespace: str) -> tuple[Quota, ...]:
        """Return the namespace's ResourceQuotas."""
        ...

    async def limit_ranges(self, namespace: str) -> tuple[LimitRange, ...]:
        """Return the namespace's LimitRanges."""
        ...

    async def try_pod(self, manifest: Mapping[str, Any], *, namespace: str, strict: bool) -> None:
        """Let the server judge a pod without creating it; `strict` refuses unknown fields."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class HttpInspection:
    """`Inspection` over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the server's, in whole seconds; None when it is unknown."""
        return self._transport.clock_skew_s

    async def version(self) -> str:
        """Return the server's version, for instance `v1.36.3`."""
        return _decode(await self._transport.call("GET", "/version"), _Version).git_version

    async def may(self, verb: str, resource: str, subresource: str, *, namespace: str) -> bool:
        """Return whether we may; an empty `namespace` means in all of them."""
        attributes = {
            "verb": verb,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = await self._transport.call("POST", path, body=body)
        return _decode(answer, _Review).status.allowed

    async def quotas(self, namespace: str) -> tuple[Quota, ...]:
        """Return the namespace's ResourceQuotas."""
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        return _decode(await self._transport.call("GET", path), _Quotas).items

    async def limit_ranges(self, namespace: str) -> tuple[LimitRange, ...]:
        """Return the namespace's LimitRanges."""
        path = f"/api/v1/namespaces/{namespace}/limitranges"
        return _decode(await self._transport.call("GET", path), _LimitRanges).items

    async def try_pod(self, manifest: Mapping[str, Any], *, namespace: str, strict: bool) -> None:
        """Let the server judge a pod without creating it; `strict` refuses unknown fields."""
        query = {"dryRun": "All", "fieldValidation": "Strict" if strict else "Ignore"}
        path = f"/api/v1/namespaces/{namespace}/pods"
        await self._transport.call("POST", path, query=query, body=manifest)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()


def _decode(payload: bytes, kind: type[_Decoded]) -> _Decoded:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise ConnectionLostError(f"an answer cannot be read: {excerpt(payload)}") from error
