"""An API server in memory that misbehaves for as long as a test wants.

`FakeCluster` fails single calls; this one has states: down, slow, out of quota, deletions that take
the kubelet's time, calls that hang half-way, pods that vanish without an event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from tradewind.client.errors import ApiError, ClusterError, ConnectionLostError
from tradewind.client.models import EventType, Pod, WatchEvent
from tradewind.testing.fake_cluster import FakeCluster, RawPod

_ENDED = frozenset({"Succeeded", "Failed"})


class FaultyCluster(FakeCluster):
    """Implements `client.protocol.Cluster`."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        """While set, no call gets an answer and none takes effect."""
        self.create_takes_s = 0.0
        """How long the answer to a create takes; the pod exists from the beginning."""
        self.log_takes_s = 0.0
        """How long the kubelet takes to answer with a log; forever on a node that hangs."""
        self.pod_quota: dict[str, int] = {}
        """By namespace, how many pods may be there that have not ended."""
        self.deletes_slowly = False
        """While set, a deleted pod stays with a deletionTimestamp until `finish_deletion`."""
        self.before_create: asyncio.Event | None = None
        """While set and not raised, creates hang before they take effect."""
        self.after_create: asyncio.Event | None = None
        """While set and not raised, creates hang after they took effect."""
        self.is_blind = False
        """While set, no watch learns of what happens, now or later."""
        self.repeats_events = False
        """While set, watches tell everything twice, the second time after what came next."""
        self.most_alive: dict[str, int] = {}
        """By value of the label that `count_alive_by` names, the most pods alive at once."""
        self.count_alive_by = "tradewind/launch-id"

    async def break_down(self) -> None:
        """Answer nothing from now on, and break every watch."""
        self.is_down = True
        await self.interrupt_watches()

    def come_back(self) -> None:
        """Answer again."""
        self.is_down = False

    async def create_pod(self, namespace: str, manifest: Mapping[str, Any]) -> Pod:
        """Create the pod, unless the quota refuses it."""
        if self.before_create is not None:
            await self.before_create.wait()
        self._check_quota(namespace, manifest["metadata"]["name"])
        pod = await super().create_pod(namespace, manifest)
        if self.after_create is not None:
            await self.after_create.wait()
        await asyncio.sleep(self.create_takes_s)
        if self.is_down:
            raise ConnectionLostError("the server went down before it answered")
        return pod

    async def delete_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """Remove the pod, or begin to."""
        if not self.deletes_slowly or self._pod_has_ended(namespace, name):
            await super().delete_pod(namespace, name, uid=uid)
            return
        lost = self._call("delete", name)
        pod = self._existing(namespace, name)
        if pod["metadata"]["uid"] != uid:
            raise ApiError(409, reason="Conflict", message="the UID in the precondition differs")
        pod["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
        await self._record("MODIFIED", pod)
        if lost:
            raise lost

    async def read_log(
        self,
        namespace: str,
        name: str,
        *,
        container: str,
        tail_lines: int,
        limit_bytes: int | None = None,
    ) -> str:
        """Return the log once the kubelet has it."""
        text = await super().read_log(
            namespace, name, container=container, tail_lines=tail_lines, limit_bytes=limit_bytes
        )
        await asyncio.sleep(self.log_takes_s)
        return text

    async def finish_deletion(self, namespace: str, name: str) -> None:
        """Remove a pod that is being deleted, as its kubelet does."""
        await self.vanish(namespace, name)

    async def see_again(self) -> None:
        """End the blindness: what was missed is gone from history, so that only a list tells it."""
        self.is_blind = False
        self.compact()
        await self.interrupt_watches()

    async def watch_pods(
        self, namespace: str, *, selector: str, resource_version: str, timeout_s: float
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after the version, some of them again."""
        events = super().watch_pods(
            namespace, selector=selector, resource_version=resource_version, timeout_s=timeout_s
        )
        said: WatchEvent | None = None
        async with contextlib.aclosing(events):
            async for event in events:
                yield event
                if self.repeats_events and said is not None:
                    yield said
                said = event

    def vanish_silently(self, namespace: str, name: str) -> None:
        """Remove the pod without telling any watch."""
        del self._pods[namespace, name]

    def alive(self) -> list[str]:
        """Return the names of pods that have not ended."""
        return [name for namespace, name in self._pods if not self._pod_has_ended(namespace, name)]

    def _call(self, verb: str, name: str) -> ClusterError | None:
        if self.is_down:
            self.calls.append((verb, name))
            raise ConnectionLostError("connection refused")
        return super()._call(verb, name)

    def _check_quota(self, namespace: str, name: str) -> None:
        most = self.pod_quota.get(namespace)
        if most is None or self.is_down or (namespace, name) in self._pods:
            return
        used = sum(
            1
            for where, pod in self._pods
            if where == namespace and not self._pod_has_ended(where, pod)
        )
        if used >= most:
            self.calls.append(("create", name))
            raise ApiError(
                403,
                reason="Forbidden",
                message=f'pods "{name}" is forbidden: exceeded quota: tasks, requested: pods=1, '
                f"used: pods={used}, limited: pods={most}",
            )

    def _pod_has_ended(self, namespace: str, name: str) -> bool:
        pod = self._pods.get((namespace, name))
        return pod is None or pod.get("status", {}).get("phase") in _ENDED

    async def _record(self, kind: EventType, pod: RawPod) -> None:
        await super()._record(kind, pod)
        if self.is_blind:
            self._history.pop()
        if kind != "DELETED":
            self._note_alive(pod)

    def _note_alive(self, changed: RawPod) -> None:
        value = (changed["metadata"].get("labels") or {}).get(self.count_alive_by)
        if value is None:
            return
        alive = sum(
            1
            for (namespace, name), pod in self._pods.items()
            if (pod["metadata"].get("labels") or {}).get(self.count_alive_by) == value
            and not self._pod_has_ended(namespace, name)
        )
        self.most_alive[value] = max(alive, self.most_alive.get(value, 0))
