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
from tradewind.dispatch import takeover
from tradewind.dispatch.dispatcher import Dispatcher, Outcome, ReadFacts
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.renderer import Renderer
from tradewind.pods import labels
from tradewind.pods.labels import TaskRef
from tradewind.watch.reflector import Reflector


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A launch whose scheduler died, offered for adoption."""

    key: Hashable
    launch_id: UUID
    row_id: UUID
    task: TaskRef | None = None
    """Which try it is: finds a pod that upstream's executor launched, which has no launch id."""


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
        scheduler: str = "",
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._scheduler = scheduler
        self._signing: set[asyncio.Task[None]] = set()
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
        return await self._adopt_from(by_launch, orphans)

    async def resume(self, launches: Sequence[Launch | Orphan]) -> None:
        """Go on where a loop that died stopped: follow what has a pod, create what has none.

        An orphan without a pod is followed on trust, like one whose adoption found no picture.
        """
        for reflector in self._reflectors:
            await reflector.synced.wait()
        by_launch = self._picture()
        for launch in launches:
            pod = by_launch.get(str(launch.launch_id))
            if pod is not None or isinstance(launch, Orphan):
                self._adopt(launch, pod)
            else:
                self.submit(launch)

    async def _adopt_from(
        self, by_launch: dict[str, Pod], orphans: Sequence[Orphan]
    ) -> list[Orphan]:
        strangers = [orphan for orphan in orphans if str(orphan.launch_id) not in by_launch]
        by_launch |= await takeover.take_over(
            self._cluster,
            {orphan.task: orphan.launch_id for orphan in strangers if orphan.task is not None},
            namespaces=self._settings.watched_namespaces or ("",),
            page_size=self._settings.list_page_size,
            scheduler=self._scheduler,
        )
        refused, adopted = [], []
        for orphan in orphans:
            pod = by_launch.get(str(orphan.launch_id))
            if pod is None:
                refused.append(orphan)
            else:
                self._adopt(orphan, pod)
                adopted.append(pod)
        # Afterwards: the scheduler's transaction waits for this coroutine.
        signing = asyncio.create_task(
            takeover.sign(self._cluster, adopted, scheduler=self._scheduler)
        )
        self._signing.add(signing)
        signing.add_done_callback(self._signing.discard)
        return refused

    def _adopt(self, orphan: Launch | Orphan, pod: Pod | None) -> None:
        self._dispatcher.adopt(
            orphan.key,
            orphan.launch_id,
            row_id=orphan.row_id,
            pod=pod,
            launch=orphan if isinstance(orphan, Launch) else None,
        )

    async def _pods_by_launch(self) -> dict[str, Pod] | None:
        """Return every pod by its launch, newest ordinal wins; None while nothing is known."""
        try:
            async with asyncio.timeout(self._settings.adoption_wait_s):
                for reflector in self._reflectors:
                    await reflector.synced.wait()
        except TimeoutError:
            return None
        return self._picture()

    def _picture(self) -> dict[str, Pod]:
        pods = [pod for reflector in self._reflectors for pod in reflector.pods()]
        pods.sort(key=lambda pod: labels.ordinal_of(pod.metadata.labels))
        return {pod.metadata.labels[labels.LAUNCH_ID]: pod for pod in pods}
