"""What the janitor asks of the API server, and the only place that deletes. Loop thread only.

A pod goes only as the very object that was judged: uid and resourceVersion are preconditions, so a
pod that changed meanwhile, or another one of its name, stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.client.http import HttpCluster
from tradewind.client.models import Pod
from tradewind.client.refusals import excerpt
from tradewind.janitor.evidence import Node
from tradewind.janitor.view import PodView

_OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_PAGE = 500
_NOT_ALLOWED = frozenset({401, 403})


class Kube(Protocol):
    """Calls raise `ApiError` for an error status and `ConnectionLostError` for no answer."""

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the server's; None before its first answer."""
        ...

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; `ApiError` 404 when there is none."""
        ...

    async def delete(self, pod: PodView, *, force: bool) -> None:
        """Begin the deletion of the pod as seen; 409 when it changed since."""
        ...

    async def node(self, name: str) -> Node:
        """Return how a node stands; UNKNOWN where we may not ask."""
        ...

    async def post_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Create an Event."""
        ...

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> str:
        """Return the last lines of a container's log."""
        ...

    async def versions(self, namespace: str, *, selector: str) -> dict[str, int]:
        """Return the resourceVersion of every selected pod by uid, as the store has it now."""
        ...


class _Base(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Kubernetes' JSON is camelCase; unknown fields are ignored."""


class _Taint(_Base, frozen=True):
    key: str = ""


class _NodeSpec(_Base, frozen=True):
    taints: tuple[_Taint, ...] = ()


class _Node(_Base, frozen=True):
    spec: _NodeSpec = _NodeSpec()


class _Identity(_Base, frozen=True):
    uid: str = ""
    resource_version: str = ""


class _Item(_Base, frozen=True):
    metadata: _Identity


class _ListMetadata(_Base, frozen=True, rename={"resume": "continue"}):
    resume: str = ""


class _Page(_Base, frozen=True):
    metadata: _ListMetadata = _ListMetadata()
    items: tuple[_Item, ...] = ()


_Decoded = TypeVar("_Decoded")


class HttpKube:
    """`Kube` over the product's own client."""

    def __init__(self, cluster: HttpCluster) -> None:
        self.cluster = cluster
        self.transport = cluster.transport

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the server's; None before its first answer."""
        return self.transport.clock_skew_s

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; `ApiError` 404 when there is none."""
        return await self.cluster.get_pod(namespace, name)

    async def delete(self, pod: PodView, *, force: bool) -> None:
        """Begin the deletion of the pod as seen; 409 when it changed since."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": pod.uid, "resourceVersion": pod.version},
            "propagationPolicy": "Background",
        }
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        body = options | ({"gracePeriodSeconds": 0} if force else {})
        await self.transport.call("DELETE", path, body=body)

    async def node(self, name: str) -> Node:
        """Return how a node stands; UNKNOWN where we may not ask."""
        if not name:
            return Node.UNKNOWN
        try:
            found = _decode(await self.transport.call("GET", f"/api/v1/nodes/{name}"), _Node)
        except ApiError as error:
            if error.is_not_found:
                return Node.GONE
            if error.status in _NOT_ALLOWED:
                return Node.UNKNOWN
            raise
        keys = {taint.key for taint in found.spec.taints}
        return Node.OUT_OF_SERVICE if _OUT_OF_SERVICE in keys else Node.PRESENT

    async def post_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Create an Event."""
        await self.transport.call("POST", f"/api/v1/namespaces/{namespace}/events", body=event)

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> str:
        """Return the last lines of a container's log."""
        return await self.cluster.read_log(
            namespace, name, container=container, tail_lines=tail_lines
        )

    async def versions(self, namespace: str, *, selector: str) -> dict[str, int]:
        """Return the resourceVersion of every selected pod by uid, as the store has it now."""
        path = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"
        found: dict[str, int] = {}
        resume = ""
        while True:
            query = {"labelSelector": selector, "limit": str(_PAGE)}
            if resume:
                query["continue"] = resume
            answer = await self.transport.call("GET", path, query=query, accept=_METADATA_ONLY)
            page = _decode(answer, _Page)
            found |= {
                item.metadata.uid: int(item.metadata.resource_version)
                for item in page.items
                if item.metadata.resource_version.isdecimal()
            }
            resume = page.metadata.resume
            if not resume:
                return found

    async def close(self) -> None:
        """Close all connections."""
        await self.cluster.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A Lease object as far as one writer at a time needs it."""

    version: str
    holder: str = ""
    renewed: str = ""
    """RFC 3339; compared with itself only, never with a clock."""
    duration_s: int = 0


class _LeaseMetadata(_Base, frozen=True):
    resource_version: str = ""


class _LeaseSpec(_Base, frozen=True):
    holder_identity: str | None = None
    renew_time: str | None = None
    lease_duration_seconds: int | None = None


class _Lease(_Base, frozen=True):
    metadata: _LeaseMetadata
    spec: _LeaseSpec = _LeaseSpec()


class HttpLeases:
    """Reads and writes one Lease; every write names the version it replaces."""

    def __init__(self, kube: HttpKube, *, namespace: str, name: str) -> None:
        self._transport = kube.transport
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name

    async def read(self) -> Lease | None:
        """Return the Lease, or None before the first one."""
        try:
            payload = await self._transport.call("GET", f"{self._collection}/{self._name}")
        except ApiError as error:
            if error.is_not_found:
                return None
            raise
        return _as_lease(payload)

    async def write(self, lease: Lease) -> Lease:
        """Replace the Lease of that version, or create it for an empty one.

        Raises:
            ApiError: 409 when somebody else was faster.

        """
        metadata: dict[str, Any] = {"name": self._name}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": lease.holder,
                "renewTime": lease.renewed,
                "leaseDurationSeconds": lease.duration_s,
            },
        }
        if not lease.version:
            return _as_lease(await self._transport.call("POST", self._collection, body=body))
        metadata["resourceVersion"] = lease.version
        path = f"{self._collection}/{self._name}"
        return _as_lease(await self._transport.call("PUT", path, body=body))


def _as_lease(payload: bytes) -> Lease:
    found = _decode(payload, _Lease)
    return Lease(
        version=found.metadata.resource_version,
        holder=found.spec.holder_identity or "",
        renewed=found.spec.renew_time or "",
        duration_s=found.spec.lease_duration_seconds or 0,
    )


def _decode(payload: bytes, kind: type[_Decoded]) -> _Decoded:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise ConnectionLostError(f"an answer cannot be read: {excerpt(payload)}") from error
