"""`Cluster`: the few calls the product makes, so that a fake can stand in for the API server.

One contract suite runs over `HttpCluster` with a real kube-apiserver and over
`testing.FakeCluster` (tests/integration/test_cluster_contract.py). Loop thread only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from tradewind.client.models import Event, Pod, PodPage, WatchEvent


class PodReader(Protocol):
    """Reads pods, whole or their metadata alone.

    Calls raise `ApiError` for an error status and `ConnectionLostError` for no answer.
    """

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; `ApiError` 404 when there is none."""
        ...

    async def list_pods(
        self, namespace: str, *, selector: str, limit: int, resume: str = ""
    ) -> PodPage:
        """Return one page of pods with matching labels; an empty `namespace` means all."""
        ...

    def watch_pods(
        self, namespace: str, *, selector: str, resource_version: str, timeout_s: float
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after `resource_version` until the server ends the watch.

        Bookmarks are asked for. `ApiError` 410 when the version is too old.
        """
        ...


class Cluster(PodReader, Protocol):
    """Calls raise `ApiError` for an error status and `ConnectionLostError` for no answer."""

    def metadata_only(self) -> PodReader:
        """Return what reads the same pods without spec and status."""
        ...

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> Pod:
        """Create the pod and return it as stored."""
        ...

    async def patch_pod(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Pod:
        """Merge `patch` into the pod; 422 when it names a `metadata.uid` that is not the pod's."""
        ...

    async def delete_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """Begin the deletion of that very pod; 409 when the name now belongs to another uid."""
        ...

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
        ...

    async def list_events(self, namespace: str, *, pod_uid: str, limit: int) -> tuple[Event, ...]:
        """Return what the cluster said about that very pod, latest last; none for no such pod.

        At most `limit` events, whichever the server finds first. It scans the namespace's events
        for this, so ask only about pods that give cause.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
