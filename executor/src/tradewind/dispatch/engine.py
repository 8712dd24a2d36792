"""The whole loop side of one executor: reflectors feed the dispatcher. Loop thread only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from uuid import UUID

from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch.dispatcher import Dispatcher, Outcome, ReadFacts
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.renderer import Renderer
from tradewind.pods import labels
from tradewind.watch.reflector import Reflector


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A launch whose scheduler died, offered for adoption."""

    key: Hashable
    launch_id: UUID
    row_id: UUID


class Engine:
    """Reflectors of every watched namespace and the dispatcher they feed."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Settings,
        renderer: Renderer,
        read_facts: ReadFacts,
        emit: Callable[[Outcome], None],
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._dispatcher = Dispatcher(
            cluster,
            settings=settings,
            renderer=renderer,
            read_facts=read_facts,
            emit=emit,
            clock=clock,
        )
        self._reflectors = [
            Reflector(
                cluster,
                namespace=namespace,
                selector=labels.LAUNCH_ID,
                page_size=settings.list_page_size,
                clock=clock,
                on_change=self._dispatcher.on_change,
                on_listed=self._dispatcher.on_listed,
            )
            for namespace in settings.watched_namespaces or ("",)
        ]

    async def run(self) -> None:
        """Run until cancelled; closes the cluster's connections at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._dispatcher.run(), name="dispatcher")
                for number, reflector in enumerate(self._reflectors):
                    group.create_task(reflector.run(), name=f"reflector-{number}")
        finally:
            await self._cluster.close()

    def submit(self, launch: Launch) -> None:
        """Queue a launch for its pod."""
        self._dispatcher.submit(launch)

    def revoke(self, launch_id: UUID) -> None:
        """Forget a launch and delete its pod; reports nothing."""
        self._dispatcher.revoke(launch_id)

    async def adopt(self, orphans: Sequence[Orphan]) -> list[Orphan]:
        """Follow the orphans that have a pod; return those that have none.

        Without a picture of the cluster within `adoption_wait_s` all are followed on trust: to
        reset a task whose pod runs would start it twice, to follow one without a pod only
        postpones what the scheduler's own timeouts then do.
        """
        by_launch = await self._pods_by_launch()
        if by_launch is None:
            for orphan in orphans:
                self._adopt(orphan, None)
            return []
        refused = []
        for orphan in orphans:
            pod = by_launch.get(str(orphan.launch_id))
            if pod is None:
                refused.append(orphan)
            else:
                self._adopt(orphan, pod)
        return refused

    def _adopt(self, orphan: Orphan, pod: Pod | None) -> None:
        self._dispatcher.adopt(orphan.key, orphan.launch_id, row_id=orphan.row_id, pod=pod)

    async def _pods_by_launch(self) -> dict[str, Pod] | None:
        """Return every pod by its launch, newest ordinal wins; None while nothing is known."""
        try:
            async with asyncio.timeout(self._settings.adoption_wait_s):
                for reflector in self._reflectors:
                    await reflector.synced.wait()
        except TimeoutError:
            return None
        pods = [pod for reflector in self._reflectors for pod in reflector.pods()]
        pods.sort(key=lambda pod: int(pod.metadata.labels.get(labels.ORDINAL, "0")))
        return {pod.metadata.labels[labels.LAUNCH_ID]: pod for pod in pods}
