"""`Cluster` over plain HTTP: JSON out, the fields we use in.

Loop thread only. Every call but the watch has a total timeout, the watch one for silence. Nothing
is retried here: policies above decide, because only they know what a repeated call means.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind import metrics
from tradewind.call_options import CONNECT_TIMEOUT_S, Keepalive
from tradewind.client.auth import Credentials
from tradewind.client.errors import ApiError
from tradewind.client.models import Event, EventPage, Pod
from tradewind.client.reader import HttpReader, collection, decode
from tradewind.client.transport import Transport
from tradewind.metrics import UNMEASURED, Metrics

_pod = msgspec.json.Decoder(Pod)
_events = msgspec.json.Decoder(EventPage)

_WRITES = {
    "POST": (metrics.POD_CREATION, metrics.POD_CREATION_STATUS),
    "PATCH": (metrics.POD_PATCHING, metrics.POD_PATCHING_STATUS),
    "DELETE": (metrics.POD_DELETION, metrics.POD_DELETION_STATUS),
}


class HttpCluster(HttpReader):
    """The real API server. Opens its first connection at the first call."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        request_timeout_s: float,
        silence_s: float,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        keepalive: Keepalive | None = Keepalive(),  # noqa: B008 - frozen
        delete_options: Mapping[str, Any] | None = None,
        measured: Metrics = UNMEASURED,
    ) -> None:
        self.transport = Transport(
            credentials,
            request_timeout_s=request_timeout_s,
            connect_timeout_s=connect_timeout_s,
            keepalive=keepalive,
            measured=measured,
        )
        super().__init__(self.transport, silence_s=silence_s)
        self._metrics = measured
        self._delete_options = {"propagationPolicy": "Background", **(delete_options or {})}

    def metadata_only(self) -> HttpReader:
        """Return what reads the same pods without spec and status, over the same connections."""
        return HttpReader(self.transport, silence_s=self._silence_s, metadata_only=True)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> Pod:
        """Create the pod and return it as stored."""
        return decode(_pod, await self._write("POST", collection(namespace), manifest))

    async def patch_pod(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Pod:
        """Merge `patch` into the pod; 422 when it names a `metadata.uid` that is not the pod's."""
        path = f"{collection(namespace)}/{name}"
        return decode(_pod, await self._write("PATCH", path, patch))

    async def delete_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """Begin the deletion of that very pod; 409 when the name now belongs to another uid."""
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            **self._delete_options,
            "preconditions": {"uid": uid},
        }
        await self._write("DELETE", f"{collection(namespace)}/{name}", body)

    async def read_log(
        self,
        namespace: str,
        name: str,
        *,
        container: str,
        tail_lines: int,
        limit_bytes: int | None = None,
    ) -> str:
        """Return the last lines of a container's log, of them the first `limit_bytes` at most."""
        path = f"{collection(namespace)}/{name}/log"
        query = {"container": container, "tailLines": str(tail_lines)}
        if limit_bytes is not None:
            query["limitBytes"] = str(limit_bytes)
        return (await self._call("GET", path, query=query)).decode(errors="replace")

    async def list_events(self, namespace: str, *, pod_uid: str, limit: int) -> tuple[Event, ...]:
        """Return what the cluster said about that very pod, latest last."""
        path = f"/api/v1/namespaces/{namespace}/events"
        query = {"fieldSelector": f"involvedObject.uid={pod_uid}", "limit": str(limit)}
        page: EventPage = decode(_events, await self._call("GET", path, query=query))
        return tuple(sorted(page.items, key=lambda event: event.last_seen))

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()

    async def _write(self, method: str, path: str, body: Mapping[str, Any]) -> bytes:
        """Make a call that changes a pod, and measure it as upstream's executor does."""
        timer, counter = _WRITES[method]
        began_s, status = time.monotonic(), "error"
        try:
            answer = await self._call(method, path, body=body)
            status = "200"
        except ApiError as error:
            status = str(error.status)
            raise
        finally:
            self._metrics.count(counter, status=status)
            self._metrics.timing(timer, time.monotonic() - began_s)
        return answer

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        return await self.transport.call(method, path, query=query, body=body)
