"""`Cluster` over plain HTTP: JSON out, the fields we use in.

Loop thread only. One session with kept-alive connections; every call but the watch has a total
timeout, the watch one for silence. Nothing is retried here: policies above decide, because only
they know what a repeated call means.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from tradewind.client import auth
from tradewind.client.errors import ApiError, ClusterError, ConnectionLostError
from tradewind.client.models import EventType, ListMetadata, Metadata, Pod, PodPage, WatchEvent

log = logging.getLogger(__name__)

_CONNECTIONS = 64
_ERROR_STATUS = 400
_UNAUTHORIZED = 401

_Decoded = TypeVar("_Decoded")

_pod = msgspec.json.Decoder(Pod)
_page = msgspec.json.Decoder(PodPage)


class _Line(msgspec.Struct):
    type: EventType
    object: msgspec.Raw


class _StatusObject(msgspec.Struct):
    code: int = 500
    reason: str = ""
    message: str = ""


class _BookmarkObject(msgspec.Struct):
    metadata: ListMetadata


_line = msgspec.json.Decoder(_Line)


class HttpCluster:
    """The real API server. Opens its first connection at the first call."""

    def __init__(
        self, credentials: auth.Credentials, *, request_timeout_s: float, silence_s: float
    ) -> None:
        self._credentials = credentials
        self._bearer = credentials.bearer()
        self._request_timeout_s = request_timeout_s
        self._silence_s = silence_s
        self._session: aiohttp.ClientSession | None = None

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
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._request_timeout_s, sock_read=self._silence_s
        )
        async with self._response("GET", _collection(namespace), query=query, timeout=timeout) as r:
            async for line in _lines(r.content):
                event = _decode_event(line)
                if event is not None:
                    yield event

    async def read_log(self, namespace: str, name: str, *, container: str, tail_lines: int) -> str:
        """Return the last lines of a container's log."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/log"
        query = {"container": container, "tailLines": str(tail_lines)}
        return (await self._call("GET", path, query=query)).decode(errors="replace")

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._request_timeout_s)
        async with self._response(method, path, query=query, body=body, timeout=timeout) as answer:
            return await answer.read()

    @contextlib.asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own per-phase timeouts
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        try:
            async with self._open().request(
                method,
                self._credentials.server + path,
                params=query,
                data=None if body is None else json.dumps(body),
                headers={"Content-Type": _content_type(method), **self._bearer.headers()},
                timeout=timeout,
                ssl=self._credentials.ssl_context or True,
            ) as response:
                if response.status >= _ERROR_STATUS:
                    if response.status == _UNAUTHORIZED:
                        self._bearer.forget()
                    raise _api_error(response, await response.read())
                yield response
        except ClusterError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionLostError(
                f"no answer to {method} {path} from {self._credentials.server}: "
                f"{type(error).__name__} {error}"
            ) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector)
        return self._session


def _content_type(method: str) -> str:
    return "application/merge-patch+json" if method == "PATCH" else "application/json"


def _collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods"


def _decode(decoder: msgspec.json.Decoder[_Decoded], payload: bytes) -> _Decoded:
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError as error:
        raise ConnectionLostError(
            f"the answer is no pod ({error}): {payload[:256]!r}; is a proxy in between?"
        ) from error


def _decode_event(line: bytes) -> WatchEvent | None:
    """Return the event, or None for a pod we cannot read.

    One odd pod must not end the watch: reopened from the same version, it would meet that pod
    again, and every other pod's news would wait behind it forever.
    """
    event: _Line = _decode(_line, line)
    if event.type == "ERROR":
        status = msgspec.json.decode(event.object, type=_StatusObject)
        raise ApiError(status.code, reason=status.reason, message=status.message)
    if event.type == "BOOKMARK":
        version = msgspec.json.decode(event.object, type=_BookmarkObject).metadata.resource_version
        return WatchEvent(
            type="BOOKMARK", pod=Pod(metadata=Metadata(name="", resource_version=version))
        )
    try:
        return WatchEvent(type=event.type, pod=_pod.decode(event.object))
    except msgspec.DecodeError as error:
        log.warning("skipping a pod that cannot be read: %s", error)
        return None


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split by newline ourselves: aiohttp's own readline refuses lines beyond 128 KiB."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line


def _api_error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    try:
        status = msgspec.json.decode(payload, type=_StatusObject)
    except msgspec.DecodeError:
        status = _StatusObject(message=payload[:256].decode(errors="replace"))
    after = response.headers.get("Retry-After", "")
    return ApiError(
        response.status,
        reason=status.reason or response.reason or "",
        message=status.message,
        retry_after_s=float(after) if after.isdigit() else None,
    )
