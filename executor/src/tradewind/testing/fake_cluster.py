"""An API server in memory, with the behaviours the product leans on.

Held to the real one by tests/integration/test_cluster_contract.py, which runs the same claims over
both: name conflicts, uid preconditions, label selectors, paging, growing versions, watches from a
version, 410 for a compacted one. It adds what no real server offers: errors on demand, answers that
get lost after the call took effect, and pods whose status a test sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import msgspec

from tradewind.client.errors import ApiError, ClusterError, ConnectionLostError
from tradewind.client.models import (
    Event,
    EventType,
    ListMetadata,
    Metadata,
    Pod,
    PodPage,
    WatchEvent,
)
from tradewind.testing import virtual_time

RawPod = dict[str, Any]


class FakeCluster:
    """Implements `client.protocol.Cluster`."""

    def __init__(self) -> None:
        self._version = 1
        self._pods: dict[tuple[str, str], RawPod] = {}
        self._history: list[tuple[int, EventType, RawPod]] = []
        self._latest: dict[str, RawPod] = {}
        self._before: dict[str, RawPod] = {}
        """By version, the pod's version before it."""
        self._events: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self._compacted = 0
        self._news = asyncio.Condition()
        self._plans: dict[str, deque[tuple[ClusterError, bool]]] = defaultdict(deque)
        self.calls: list[tuple[str, str]] = []
        """Every call as (verb, pod name), failed ones included."""
        self.logs: dict[str, str] = {}
        """Log text by pod name."""

    # -- what a test controls --------------------------------------------------------------------

    def fail(self, verb: str, error: ClusterError, *, takes_effect: bool = False) -> None:
        """Let the next call of `verb` raise; with `takes_effect` only its answer is lost."""
        self._plans[verb].append((error, takes_effect))

    async def set_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> None:
        """Replace the pod's status, as the kubelet would."""
        pod = self._pods[namespace, name]
        pod["status"] = dict(status)
        await self._record("MODIFIED", pod)

    async def vanish(self, namespace: str, name: str) -> None:
        """Remove the pod at once, with a DELETED event."""
        await self._record("DELETED", self._pods.pop((namespace, name)))

    async def add_event(self, namespace: str, name: str, event: Mapping[str, Any]) -> None:
        """Say something about the pod, in the API's camelCase, as a component of a cluster would.

        Like the real ones, what was said stays when the pod goes.
        """
        uid = self._existing(namespace, name)["metadata"]["uid"]
        self._events[namespace, uid].append(msgspec.convert(event, Event))

    def compact(self) -> None:
        """Forget the history: watches from an older version now get 410."""
        self._compacted = self._version
        self._history.clear()

    def names(self) -> list[str]:
        """Return the names of all pods."""
        return [name for _, name in self._pods]

    def raw(self, namespace: str, name: str) -> RawPod:
        """Return the pod as it was created, plus what the server added."""
        return self._pods[namespace, name]

    def count(self, verb: str) -> int:
        """Return how often `verb` was called."""
        return sum(1 for called, _ in self.calls if called == verb)

    # -- Cluster ---------------------------------------------------------------------------------

    def metadata_only(self) -> FakeMetadata:
        """Return what reads the same pods without spec and status."""
        return FakeMetadata(self)

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> Pod:
        """Create the pod; 409 AlreadyExists when the name is taken."""
        name = manifest["metadata"]["name"]
        lost = self._call("create", name)
        if (namespace, name) in self._pods:
            raise ApiError(409, reason="AlreadyExists", message=f'pods "{name}" already exists')
        pod = copy.deepcopy(dict(manifest))
        pod["metadata"] |= {
            "namespace": namespace,
            # The same in every run of a test that does the same.
            "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{namespace}.{self._version}")),
            "creationTimestamp": virtual_time.timestamp(),
        }
        pod.setdefault("status", {"phase": "Pending"})
        self._pods[namespace, name] = pod
        await self._record("ADDED", pod)
        if lost:
            raise lost
        return _typed(pod)

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod; 404 when there is none."""
        self._call("get", name)
        return _typed(self._existing(namespace, name))

    async def patch_pod(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Pod:
        """Merge the patch; 422 when it names another uid, 409 when it names another version."""
        lost = self._call("patch", name)
        pod = self._existing(namespace, name)
        named = patch.get("metadata") or {}
        if named.get("uid") not in {None, pod["metadata"]["uid"]}:
            raise ApiError(422, reason="Invalid", message="metadata.uid: field is immutable")
        if named.get("resourceVersion") not in {None, pod["metadata"]["resourceVersion"]}:
            raise ApiError(409, reason="Conflict", message="the object has been modified")
        _merge(pod, patch)
        await self._record("MODIFIED", pod)
        if lost:
            raise lost
        return _typed(pod)

    async def delete_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """Remove the pod at once; 409 when the uid is another."""
        lost = self._call("delete", name)
        pod = self._existing(namespace, name)
        if pod["metadata"]["uid"] != uid:
            raise ApiError(409, reason="Conflict", message="the UID in the precondition differs")
        await self.vanish(namespace, name)
        if lost:
            raise lost

    async def list_pods(
        self, namespace: str, *, selector: str, limit: int, resume: str = ""
    ) -> PodPage:
        """Return one page of matching pods, in order of name."""
        self._call("list", "")
        matching = [p for key, p in sorted(self._pods.items()) if _selected(p, namespace, selector)]
        start = int(resume or 0)
        page = matching[start : start + limit]
        more = start + limit < len(matching)
        return PodPage(
            metadata=ListMetadata(
                resource_version=str(self._version), resume=str(start + limit) if more else ""
            ),
            items=tuple(_typed(pod) for pod in page),
        )

    async def watch_pods(
        self, namespace: str, *, selector: str, resource_version: str, timeout_s: float
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after the version; ends after `timeout_s` with a bookmark before."""
        self._call("watch", "")
        seen = int(resource_version or 0)
        if seen < self._compacted:
            raise ApiError(410, reason="Expired", message="too old resource version")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while loop.time() < deadline:
            for version, kind, pod in [event for event in self._history if event[0] > seen]:
                seen = version
                told = self._told(kind, pod, namespace, selector)
                if told is not None:
                    yield WatchEvent(type=told, pod=_typed(pod))
            if self._plans["watch"]:
                self._call("watch", "")
            await self._wait_for_news(seen, deadline - loop.time())
        yield WatchEvent(
            type="BOOKMARK", pod=Pod(metadata=Metadata(name="", resource_version=str(seen)))
        )

    async def read_log(
        self,
        namespace: str,
        name: str,
        *,
        container: str,
        tail_lines: int,
        limit_bytes: int | None = None,
    ) -> str:
        """Return what the test put into `logs`."""
        self._call("log", name)
        self._existing(namespace, name)
        lines = self.logs.get(name, f"{container}\n").splitlines()[-tail_lines:]
        return "\n".join(lines).encode()[:limit_bytes].decode(errors="replace")

    async def list_events(self, namespace: str, *, pod_uid: str, limit: int) -> tuple[Event, ...]:
        """Return what the test said about the pod of that uid, latest last."""
        self._call("events", pod_uid)
        found = self._events[namespace, pod_uid][:limit]
        return tuple(sorted(found, key=lambda event: event.last_seen))

    async def close(self) -> None:
        """Nothing to close."""

    # -- inside ----------------------------------------------------------------------------------

    def _call(self, verb: str, name: str) -> ClusterError | None:
        """Note the call; raise a planned error, or return it when the call takes effect first."""
        self.calls.append((verb, name))
        if not self._plans[verb]:
            return None
        error, takes_effect = self._plans[verb].popleft()
        if takes_effect:
            return error
        raise error

    def _existing(self, namespace: str, name: str) -> RawPod:
        try:
            return self._pods[namespace, name]
        except KeyError:
            raise ApiError(404, reason="NotFound", message=f'pods "{name}" not found') from None

    def _told(
        self, kind: EventType, pod: RawPod, namespace: str, selector: str
    ) -> EventType | None:
        """Return how a watch tells a change: pods begin to match its selector, and cease to."""
        matches = _selected(pod, namespace, selector)
        if kind != "MODIFIED":
            return kind if matches else None
        before = self._before.get(pod["metadata"]["resourceVersion"], pod)
        matched = _selected(before, namespace, selector)
        if matches:
            return "MODIFIED" if matched else "ADDED"
        return "DELETED" if matched else None

    async def _record(self, kind: EventType, pod: RawPod) -> None:
        self._version += 1
        pod["metadata"]["resourceVersion"] = version = str(self._version)
        uid, stored = pod["metadata"]["uid"], copy.deepcopy(pod)
        if uid in self._latest:
            self._before[version] = self._latest[uid]
        self._latest[uid] = stored
        self._history.append((self._version, kind, stored))
        async with self._news:
            self._news.notify_all()

    async def _wait_for_news(self, seen: int, timeout_s: float) -> None:
        if any(version > seen for version, _, _ in self._history):
            return
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait()
        except TimeoutError:
            return

    async def interrupt_watches(self) -> None:
        """Break every open watch, as a restarted API server does."""
        self._plans["watch"].append((ConnectionLostError("the connection was reset"), False))
        async with self._news:
            self._news.notify_all()


class FakeMetadata:
    """A `client.protocol.PodReader` that leaves out spec and status."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    async def get_pod(self, namespace: str, name: str) -> Pod:
        """Return the pod's metadata; 404 when there is none."""
        return _bare(await self._cluster.get_pod(namespace, name))

    async def list_pods(
        self, namespace: str, *, selector: str, limit: int, resume: str = ""
    ) -> PodPage:
        """Return one page of matching pods' metadata."""
        page = await self._cluster.list_pods(
            namespace, selector=selector, limit=limit, resume=resume
        )
        return PodPage(metadata=page.metadata, items=tuple(map(_bare, page.items)))

    async def watch_pods(
        self, namespace: str, *, selector: str, resource_version: str, timeout_s: float
    ) -> AsyncIterator[WatchEvent]:
        """Yield changes after the version, of status too, but without it."""
        events = self._cluster.watch_pods(
            namespace, selector=selector, resource_version=resource_version, timeout_s=timeout_s
        )
        async with contextlib.aclosing(events):
            async for event in events:
                yield WatchEvent(type=event.type, pod=_bare(event.pod))


def _bare(pod: Pod) -> Pod:
    return Pod(metadata=pod.metadata)


def _typed(pod: RawPod) -> Pod:
    return msgspec.convert(pod, Pod)


def _selected(pod: RawPod, namespace: str, selector: str) -> bool:
    if namespace and pod["metadata"]["namespace"] != namespace:
        return False
    labels = pod["metadata"].get("labels") or {}
    return all(_matches(labels, term) for term in filter(None, selector.split(",")))


def _matches(labels: Mapping[str, str], term: str) -> bool:
    if term.startswith("!"):
        return term[1:] not in labels
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key) != value
    key, _, value = term.partition("=")
    return key in labels and value in {"", labels[key]}


def _merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Merge as a JSON merge patch does: mappings field by field, None removes."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            _merge(target.setdefault(name, {}), value)
        else:
            target[name] = value
