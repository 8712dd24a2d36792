"""Reading pods over plain HTTP, whole or their metadata alone.

Metadata alone is what a watcher needs that only looks at labels: neither the pods' environment nor
their status is sent, and an event of a pod that only changed its status is a few hundred bytes.
Loop thread only.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import TypeVar

import aiohttp
import msgspec

from tradewind.client import refusals
from tradewind.client.errors import ConnectionLostError
from tradewind.client.models import (
    EventType,
    ListMetadata,
    Metadata,
    Pod,
    PodPage,
    WatchEvent,
)
from tradewind.client.transport import Transport

log = logging.getLogger(__name__)

_Decoded = TypeVar("_Decoded")

_WHOLE = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io"

_pod = msgspec.json.Decoder(Pod)


class _Page(msgspec.Struct):
    metadata: ListMetadata = ListMetadata()
    items: tuple[Pod, ...] | None = None
    """The server writes null for an empty list of metadata."""


_page = msgspec.json.Decoder(_Page)


class _Line(msgspec.Struct):
    type: EventType
    object: msgspec.Raw


class _BookmarkObject(msgspec.Struct):
    metadata: ListMetadata


_line = msgspec.json.Decoder(_Line)


class HttpReader:
    """Gets, lists and watches pods; `client.protocol.PodReader`."""

    def __init__(
        self, transport: Transport, *, silence_s: float, metadata_only: bool = False
    ) -> None:
        self._transport = transport
        self._silence_s = silence_s
        self._one = _METADATA.format("") if metadata_only else _WHOLE
        self._many = _METADATA.format("List") if metadata_only else _WHOLE

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; `ApiError` 404 when there is none."""
        path = f"{collection(namespace)}/{name}"
        return decode(_pod, await self._transport.call("GET", path, accept=self._one))

    async def list_pods(
        self, namespace: str, *, selector: str, limit: int, resume: str = ""
    ) -> PodPage:
        """Return one page of pods with matching labels; an empty `namespace` means all."""
        query = {"labelSelector": selector, "limit": str(limit)}
        if resume:
            query["continue"] = resume
        path = collection(namespace)
        answer = await self._transport.call("GET", path, query=query, accept=self._many)
        page: _Page = decode(_page, answer)
        return PodPage(metadata=page.metadata, items=page.items or ())

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
        path, silence_s = collection(namespace), self._silence_s
        stream = self._transport.stream(path, query=query, silence_s=silence_s, accept=self._one)
        async with stream as content:
            async for line in _lines(content):
                event = _decode_event(line)
                if event is not None:
                    yield event


def collection(namespace: str) -> str:
    """Return the path of a namespace's pods, or of all pods for an empty one."""
    return f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"


def decode(decoder: msgspec.json.Decoder[_Decoded], payload: bytes) -> _Decoded:
    """Return the decoded answer.

    Raises:
        ConnectionLostError: it is not what the API server sends.

    """
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
    event: _Line = decode(_line, line)
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
