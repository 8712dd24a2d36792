"""The whole loop side of one executor: reflectors feed the dispatcher. Loop thread only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch import takeover
from tradewind.dispatch.dispatcher import Dispatcher, Outcome
from tradewind.dispatch.hooks import Hooks, ReadFacts
from tradewind.dispatch.inheritance import Inheritance
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.reconcile import Reconciler
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.stats import Stats
from tradewind.dispatch.strays import Strays
from tradewind.pods import labels
from tradewind.pods.compact import Compactor
from tradewind.pods.labels import TaskRef
from tradewind.watch.reflector import Listing, Reflector

log = logging.getLogger(__name__)

_DATABASE_THREADS = 2
"""Of their own: the loop's default threads may all be busy in users' mutation hooks."""


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
        hooks: Hooks | None = None,
        scheduler: str = "",
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._scheduler = scheduler
        self._signing: set[asyncio.Task[None]] = set()
        self._clock = clock
        self._namespaces = settings.watched_namespaces or ("",)
        hooks = hooks or Hooks()
        self._endpoint = hooks.endpoint
        self._threads = ThreadPoolExecutor(_DATABASE_THREADS, thread_name_prefix="tradewind-db")
        self._dispatcher = Dispatcher(
            cluster,
            settings=settings,
            renderer=renderer,
            read_facts=read_facts,
            emit=emit,
            clock=clock,
            threads=self._threads,
            hooks=hooks,
        )
        compact = Compactor()
        self._reflectors = [
            Reflector(
                cluster,
                namespace=namespace,
                selector=labels.LAUNCH_ID,
                page_size=settings.list_page_size,
                clock=clock,
                on_change=self._dispatcher.on_change,
                on_listed=self._on_listed,
                measured=hooks.measured,
                compact=compact,
            )
            for namespace in self._namespaces
        ]
        strays = Strays(
            settings=settings,
            ledger=self._dispatcher.ledger,
            deleter=self._dispatcher.deleter,
            picture=self._pods,
            read=hooks.read_strays,
            clock=clock,
            threads=self._threads,
            counters=self._dispatcher.counters,
        )
        inheritance = Inheritance(
            ledger=self._dispatcher.ledger,
            picture=self._pods,
            read=hooks.read_abandoned,
            adopt=self._inherit,
            threads=self._threads,
        )
        self._reconciler = Reconciler(
            cluster,
            settings=settings,
            ledger=self._dispatcher.ledger,
            launches=self._dispatcher,
            picture=self._pods,
            clock=clock,
            more=(inheritance.take, strays.remove, strays.expire),
        )

    async def run(self) -> None:
        """Run until cancelled; closes the cluster's connections at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._dispatcher.run(), name="dispatcher")
                group.create_task(self._reconciler.run(), name="reconciler")
                if self._endpoint is not None and self._settings.delivery != "args":
                    group.create_task(self._endpoint.run(), name="endpoint")
                for number, reflector in enumerate(self._reflectors):
                    group.create_task(reflector.run(), name=f"reflector-{number}")
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)
            await self._cluster.close()

    def submit(self, launch: Launch) -> None:
        """Queue a launch for its pod."""
        self._dispatcher.submit(launch)

    def revoke(self, launch_id: UUID) -> None:
        """Forget a launch and delete its pods, known or not; reports nothing."""
        self._dispatcher.revoke(launch_id)

    def stats(self) -> Stats:
        """Return the figures of this moment."""
        return self._dispatcher.stats()

    def trust(self, orphans: Sequence[Orphan]) -> None:
        """Follow orphans on trust that each has a pod; the reconcile loop looks for them."""
        for orphan in orphans:
            self._adopt(orphan, None)
        self._reconciler.soon()

    async def adopt(self, orphans: Sequence[Orphan]) -> list[Orphan]:
        """Follow the orphans that have a pod; return those that have none.

        Without a picture of the cluster within `adoption_wait_s` all are followed on trust: to
        reset a task whose pod runs would start it twice, to follow one without a pod only
        postpones its next launch until the reconcile loop has found that out.
        """
        if not orphans:
            return []
        try:
            async with asyncio.timeout(self._settings.adoption_wait_s):
                by_launch = await self._pods_by_launch(orphans)
        except (TimeoutError, ClusterError, OSError) as error:
            log.warning("adopting %d tasks on trust: %s", len(orphans), error or "no list in time")
            self.trust(orphans)
            return []
        refused, adopted = [], []
        for orphan in orphans:
            pod = by_launch.get(str(orphan.launch_id))
            if pod is None:
                refused.append(orphan)
            else:
                self._adopt(orphan, pod)
                adopted.append(pod)
        self._sign(adopted)
        return refused

    async def resume(self, launches: Sequence[Launch | Orphan]) -> None:
        """Go on where a loop that died stopped: follow what has a pod, create what has none.

        An orphan without a pod is followed on trust, like one whose adoption found no picture.
        """
        for reflector in self._reflectors:
            await reflector.synced.wait()
        by_launch = takeover.by_launch(self._pods() or ())
        for launch in launches:
            pod = by_launch.get(str(launch.launch_id))
            if pod is not None or isinstance(launch, Orphan):
                self._adopt(launch, pod)
            else:
                self.submit(launch)

    def _inherit(self, key: Hashable, launch_id: UUID, workload: TaskRef, pod: Pod) -> None:
        self._adopt(Orphan(key=key, launch_id=launch_id, row_id=launch_id, task=workload), pod)

    def _sign(self, adopted: Sequence[Pod]) -> None:
        """Write in the background who follows the pods: a transaction waits for the adoption."""
        signing = asyncio.create_task(
            takeover.sign(self._cluster, adopted, scheduler=self._scheduler)
        )
        self._signing.add(signing)
        signing.add_done_callback(self._signing.discard)

    def _adopt(self, orphan: Launch | Orphan, pod: Pod | None) -> None:
        self._dispatcher.adopt(
            orphan.key,
            orphan.launch_id,
            row_id=orphan.row_id,
            pod=pod,
            launch=orphan if isinstance(orphan, Launch) else None,
            task=orphan.task,
        )

    async def _pods_by_launch(self, orphans: Sequence[Orphan]) -> dict[str, Pod]:
        """Return every pod by its launch, newest ordinal wins.

        Raises:
            ClusterError: whether an orphan has a pod cannot be found out now.

        """
        for reflector in self._reflectors:
            await reflector.synced.wait()
        found = takeover.by_launch(self._pods() or ())
        if all(str(orphan.launch_id) in found for orphan in orphans):
            return found
        # The picture may be behind, by as much as its watch is: only a list says "none" for sure.
        return await takeover.look_up(
            self._cluster,
            {orphan.launch_id: orphan.task for orphan in orphans},
            namespaces=self._namespaces,
            page_size=self._settings.list_page_size,
            scheduler=self._scheduler,
        )

    def _pods(self) -> list[Pod] | None:
        """Return the pods of the picture, or None while it is not complete."""
        if not all(reflector.synced.is_set() for reflector in self._reflectors):
            return None
        return [pod for reflector in self._reflectors for pod in reflector.pods()]

    def _on_listed(self, listing: Listing) -> None:
        self._dispatcher.on_listed(listing)
        if self._dispatcher.has_trusted:
            self._reconciler.soon()
