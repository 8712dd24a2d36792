"""`Cluster` over plain HTTP: JSON out, the fields we use in.

Loop thread only. Every call but the watch has a total timeout, the watch one for silence. Nothing
is retried here: policies above decide, because only they know what a repeated call means.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from tradewind.client import refusals
from tradewind.client.auth import Credentials
from tradewind.client.errors import ConnectionLostError
from tradewind.client.models import (
    Event,
    EventPage,
    EventType,
    ListMetadata,
    Metadata,
    Pod,
    PodPage,
    WatchEvent,
)
from tradewind.client.transport import Transport
from tradewind.metrics import UNMEASURED, Metrics

log = logging.getLogger(__name__)

_Decoded = TypeVar("_Decoded")

_pod = msgspec.json.Decoder(Pod)
_page = msgspec.json.Decoder(PodPage)
_events = msgspec.json.Decoder(EventPage)


class _Line(msgspec.Struct):
    type: EventType
    object: msgspec.Raw


class _BookmarkObject(msgspec.Struct):
    metadata: ListMetadata


_line = msgspec.json.Decoder(_Line)


class HttpCluster:
    """The real API server. Opens its first connection at the first call."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        request_timeout_s: float,
        silence_s: float,
        measured: Metrics = UNMEASURED,
    ) -> None:
        self.transport = Transport(
            credentials, request_timeout_s=request_timeout_s, measured=measured
        )
        self._silence_s = silence_s

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> Pod:
        """Create the pod and return it as stored."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        return _decode(_pod, await self._call("POST", path, body=manifest))

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; `ApiError` 404 when there is none."""
        return _decode(_pod, await self._call("GET", f"/api/v1/namespaces/{namespace}/pods/{name}"))

    async def patch_pod(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Pod:
        """Merge `patch` into the pod; 422 when it names a `metadata.uid` that is not the pod's."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        return _decode(_pod, await self._call("PATCH", path, body=patch))

    async def delete_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """Begin the deletion of that very pod; 409 when the name now belongs to another uid."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        await self._call("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", body=body)

    async def list_pods(
        self, namespace: str, *, selector: str, limit: int, resume: str = ""
    ) -> PodPage:
        """Return one page of pods with matching labels; an empty `namespace` means all."""
        query = {"labelSelector": selector, "limit": str(limit)}
        if resume:
            query["continue"] = resume
        return _decode(_page, await self._call("GET", _collection(namespace), query=query))

    async def watch_pods(
        self, namespace: str, *, selector: str, resource_version: str, timeout_s: float
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after `resource_version` until the server ends the watch.

        Raises:
            ApiError: 410 when the version is too old; other statuses as the server says.
            ConnectionLostError: the connection broke or was silent for too long.

        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": selector,
            "resourceVersion": resource_version,
            "timeoutSeconds": str(int(timeout_s)),
        }
        async with self.transport.stream(
            _collection(namespace), query=query, silence_s=self._silence_s
        ) as content:
            async for line in _lines(content):
                event = _decode_event(line)
                if event is not None:
                    yield event

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> str:
        """Return the last lines of a container's log."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
        query = {"container": container, "tailLines": str(tail_lines)}
        return (await self._call("GET", path, query=query)).decode(errors="replace")

    async def list_events(self, namespace: str, *, pod_uid: str, limit: int) -> tuple[Event, ...]:
        """Return what the cluster said about that very pod, latest last."""
        path = f"/api/v1/namespaces/{namespace}/events"
        query = {"fieldSelector": f"involvedObject.uid={pod_uid}", "limit": str(limit)}
        page: EventPage = _decode(_events, await self._call("GET", path, query=query))
        return tuple(sorted(page.items, key=lambda event: event.last_seen))

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        return await self.transport.call(method, path, query=query, body=body)


def _collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"


def _decode(decoder: msgspec.json.Decoder[_Decoded], payload: bytes) -> _Decoded:
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise ConnectionLostError(
            f"the answer cannot be read ({error}): {refusals.excerpt(payload)}"
        ) from error


def _decode_event(line: bytes) -> WatchEvent | None:
    """Return the event, or None for one we cannot read.

    One odd pod must not end the watch: reopened from the same version, it would meet that pod
    again, and every other pod's news would wait behind it forever.
    """
    event: _Line = _decode(_line, line)
    if event.type == "ERROR":
        raise refusals.from_status_object(bytes(event.object))
    try:
        if event.type == "BOOKMARK":
            mark = msgspec.json.decode(event.object, type=_BookmarkObject).metadata
            pod = Pod(metadata=Metadata(name="", resource_version=mark.resource_version))
            return WatchEvent(type="BOOKMARK", pod=pod)
        return WatchEvent(type=event.type, pod=_pod.decode(event.object))
    except msgspec.DecodeError as error:
        log.warning("skipping an event that cannot be read: %s", error)
        return None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split by newline ourselves: aiohttp's own readline refuses lines beyond 128 KiB."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line
