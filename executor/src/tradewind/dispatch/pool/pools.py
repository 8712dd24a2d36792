"""The warm pools of one executor: what the dispatcher and the engine see of them. Loop thread only.

Without `[tradewind] warm_pools` there is neither watch nor claim; what earlier settings left is
drained once.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from uuid import UUID

from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.paging import pods_of
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.hooks import Hooks
from tradewind.dispatch.pool import spec
from tradewind.dispatch.pool.aims import Aims, Renderer
from tradewind.dispatch.pool.claims import Claims
from tradewind.dispatch.pool.keeper import Keeper, Launches
from tradewind.dispatch.pool.members import SELECTOR, Standing, member_of
from tradewind.dispatch.pool.picture import Picture
from tradewind.dispatch.pool.spec import PoolSpec
from tradewind.dispatch.pool.writes import Writes
from tradewind.dispatch.stats import Counters
from tradewind.pods import labels
from tradewind.pods.compact import Compactor
from tradewind.pods.files import ParsedText
from tradewind.watch.reflector import Change, Listing, Reflector

log = logging.getLogger(__name__)

SWEEP_AGAIN_S = 10.0
FRESH_S = 30.0
"""A launch whose pod is older than this when it is first seen says nothing about the rate."""
_MOST_REMEMBERED = 10_000


class Pools:
    """Picture, claims and keeper, put together."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Settings,
        renderer: Renderer,
        gates: Gates,
        deleter: Deleter,
        clock: Clock,
        counters: Counters,
        hooks: Hooks,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._clock = clock
        self._measured = hooks.measured
        self._namespaces = settings.watched_namespaces or ("",)
        self._tell: Callable[[Change], None] | None = None
        self._starting_since_s: dict[str, float] = {}
        self._known: OrderedDict[UUID, None] = OrderedDict()
        self.is_on = spec.is_on(settings.warm_pools)
        self.picture = Picture(installation=settings.installation)
        self.claims = Claims(
            cluster,
            picture=self.picture,
            gates=gates,
            clock=clock,
            counters=counters,
            settings=settings,
            rng=hooks.rng,
        )
        self._writes = Writes(
            cluster,
            picture=self.picture,
            gates=gates,
            deleter=deleter,
            clock=clock,
            counters=counters,
        )
        self._keeper = functools.partial(
            Keeper,
            aims=Aims(loader(settings, team=hooks.team), renderer, clock),
            picture=self.picture,
            claims=self.claims,
            writes=self._writes,
            gates=gates,
            clock=clock,
            counters=counters,
            is_refiller=hooks.is_refiller,
            owns=functools.partial(spec.is_of_team, team=hooks.team),
            starting_most=settings.warm_starting_max,
            rng=hooks.rng,
        )
        self.keeper: Keeper | None = None

    def serve(
        self, launches: Launches, *, tell: Callable[[Change], None], threads: Executor
    ) -> None:
        """Take whom the pools serve; call it once, before `run`.

        Args:
            launches: come before any pool.
            tell: hears of every change of an idle pod too, for it makes room in quotas.
            threads: where the database is asked.

        """
        self.keeper = self._keeper(launches=launches, threads=threads)
        self._tell = tell

    async def run(self) -> None:
        """Run until cancelled."""
        if self.keeper is None:
            raise RuntimeError("the pools serve nobody: call serve() first")
        if not self.is_on:
            await self._sweep(self.keeper)
            return
        reflectors = [self._reflector(namespace) for namespace in self._namespaces]
        async with asyncio.TaskGroup() as group:
            for number, reflector in enumerate(reflectors):
                group.create_task(reflector.run(), name=f"idle-reflector-{number}")
            for reflector in reflectors:
                await reflector.synced.wait()
            await self.keeper.run()

    def _reflector(self, namespace: str) -> Reflector:
        return Reflector(
            self._cluster,
            namespace=namespace,
            selector=SELECTOR,
            page_size=self._settings.list_page_size,
            clock=self._clock,
            on_change=self.on_change,
            on_listed=self.on_listed,
            measured=self._measured,
            compact=Compactor(),
        )

    # -- what the watches say --------------------------------------------------------------------

    def on_change(self, change: Change) -> None:
        """Take note of a pod of a pool."""
        pod, uid = change.pod, change.pod.metadata.uid
        member = member_of(pod)
        before = self.picture.member(uid)
        self.picture.on_change(change)
        self._writes.saw(pod)
        if self._tell is not None and labels.LAUNCH_ID not in pod.metadata.labels:
            self._tell(change)
        if self.keeper is None:
            return
        if change.gone or member.standing is not Standing.STARTING:
            began_s = self._starting_since_s.pop(uid, None)
            if began_s is not None and member.standing is Standing.IDLE:
                self.keeper.started(member.pool, self._clock.now_s() - began_s)
        else:
            self._starting_since_s.setdefault(uid, self._clock.now_s())
        if member.is_claimable:
            self.keeper.launches.pump()
        was_free = before is not None and before.standing in {Standing.IDLE, Standing.STARTING}
        marked = labels.DRAINING in pod.metadata.labels
        if was_free and marked and uid not in self.picture.reserved("drain"):
            self.keeper.taken_away(member)

    def on_listed(self, listing: Listing) -> None:
        """Take note of a complete list of a namespace."""
        self.picture.on_listed(listing)
        self._writes.on_listed(listing)

    def saw_launch(self, pod: Pod) -> None:
        """Count a launch, of whichever scheduler, for the rate of the pool that it fits."""
        launch_id = labels.launch_id_of(pod.metadata.labels)
        template = pod.metadata.labels.get(labels.TEMPLATE, "")
        if not (self.is_on and template and launch_id) or self.keeper is None:
            return
        if launch_id in self._known:
            return
        self._known[launch_id] = None
        if len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        if self._clock.utc_s() - _claimed_at_s(pod) <= FRESH_S:
            self.keeper.arrived(template)

    # -- without pools ---------------------------------------------------------------------------

    async def _sweep(self, keeper: Keeper) -> None:
        """Drain what pools of earlier settings left, until a list shows nothing of it."""
        while True:
            began_s = self._clock.now_s()
            try:
                pods = await pods_of(
                    self._cluster,
                    selector=SELECTOR,
                    namespaces=self._namespaces,
                    page_size=self._settings.list_page_size,
                )
                for pod in pods:
                    self.picture.on_change(Change(pod=pod))
                uids = frozenset(pod.metadata.uid for pod in pods)
                self.on_listed(Listing(namespace="", began_s=began_s, uids=uids))
                if not self.picture.members():
                    return
                await keeper.step()
            except (ClusterError, OSError) as error:
                log.warning("looking for warm pods of earlier settings is put off: %s", error)
            except Exception:
                log.exception("looking for warm pods of earlier settings failed")
            await self._clock.sleep(SWEEP_AGAIN_S)


def loader(settings: Settings, *, team: str) -> Callable[[], Mapping[str, PoolSpec]]:
    """Return a function that reads `warm_pools`, again when its file changed."""

    def parse(document: object, source: str) -> dict[str, PoolSpec]:
        return spec.parse(document, source, max_age_s=settings.warm_max_age_s, team=team)

    return ParsedText(settings.warm_pools, option="warm_pools", parse=parse).load


def _claimed_at_s(pod: Pod) -> float:
    try:
        return float(pod.metadata.annotations.get(labels.CLAIMED_AT, ""))
    except ValueError:
        return float("-inf")
