"""Keep the pools as they are wanted: look, plan, write, once a second. Loop thread only.

Every scheduler looks, because each gives up idle pods for launches of its own that a quota refuses.
One alone refills and tidies, the one with the lowest number of those that live; which one that is
is read right before it writes, so that two overlap by one batch at most.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol

from tradewind.client.errors import ApiError, ClusterError
from tradewind.clock import Clock
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.pool import plan as plans
from tradewind.dispatch.pool import room as rooms
from tradewind.dispatch.pool.aims import Aims, Pool
from tradewind.dispatch.pool.claims import Claims
from tradewind.dispatch.pool.members import Member, Standing
from tradewind.dispatch.pool.picture import Picture
from tradewind.dispatch.pool.plan import NOT_STARTING, Action, Create, Delete, Drain, Wanted
from tradewind.dispatch.pool.room import Ceilings, Holds, Pressure, Shortage
from tradewind.dispatch.pool.writes import Writes
from tradewind.dispatch.stats import Counters
from tradewind.pods import diagnosis, state
from tradewind.pods.state import PodState

log = logging.getLogger(__name__)

PASS_S = 1.0
PROVEN_AFTER_S = 60.0
"""A pod that has lived for so long shows that pods of its pool can."""
ASK_AGAIN_S = 5.0
"""How soon a scheduler that is not the one to refill looks whether it is meanwhile."""

Plan = list[tuple[Pool | None, list[Action]]]


class Launches(Protocol):
    """What waits for a pod; the dispatcher's submission."""

    def waits_for_a_start(self) -> bool:
        """Whether a launch waits to start cold."""
        ...

    def parked(self) -> Mapping[str, int]:
        """Return by namespace how many launches wait for its quota."""
        ...

    def pump(self) -> None:
        """Take note that an idle pod may be claimed."""
        ...


@dataclass(slots=True, kw_only=True)
class Keeper:
    """The loop over all pools of one executor."""

    aims: Aims
    picture: Picture
    claims: Claims
    writes: Writes
    gates: Gates
    launches: Launches
    clock: Clock
    counters: Counters
    threads: Executor
    is_refiller: Callable[[], bool]
    """Blocking; called on a worker thread."""
    owns: Callable[[str], bool]
    """Whether a pool of that name is this executor's to empty when nobody wants it any more."""
    starting_most: int
    rng: random.Random
    """Tells the names of pods apart."""
    _holds: Holds = field(default_factory=Holds)
    _ceilings: Ceilings = field(default_factory=Ceilings)
    _shortage: Shortage = field(default_factory=Shortage)
    _ask_again_s: float = float("-inf")
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                try:
                    await self.step()
                except Exception:
                    log.exception("a pass over the warm pools failed")
                await self.clock.sleep(PASS_S)
        finally:
            for task in self._tasks:
                task.cancel()

    async def step(self) -> None:
        """Look at every pool once and begin what is to be done."""
        await self.aims.refresh()
        self.claims.shapes = {pool.template for pool in self.aims.all()} - {""}
        self._show()
        if self._is_down():
            return
        self._give_way()
        if any(actions for _, actions in self._plan()) and await self._may_refill():
            # Planned anew: a claim or a deletion may have come while the database was read.
            for pool, actions in self._plan():
                for action in actions:
                    await self._begin(pool, action)

    def arrived(self, template: str) -> None:
        """Note a launch of that template, whichever scheduler has it and whatever pod it got."""
        for pool in self.aims.all():
            if template and pool.template == template:
                pool.demand.arrived(self.clock.now_s())

    def started(self, name: str, took_s: float) -> None:
        """Note that a pod of the pool runs, so long after it was first seen."""
        pool = self.aims.named(name)
        if pool is not None:
            pool.demand.started(took_s)

    def taken_away(self, member: Member) -> None:
        """Note that another scheduler drained the pod: its launches need the quota more."""
        self._hold(member.pool, "lost a pod to a launch of another scheduler", "its quota is full")

    # -- what is to be done ----------------------------------------------------------------------

    def _plan(self) -> Plan:
        now_s, utc_s = self.clock.now_s(), self.clock.utc_s()
        by_pool: dict[str, list[Member]] = {}
        for member in self.picture.members():
            by_pool.setdefault(member.pool, []).append(member)
        plan: Plan = []
        for pool in self.aims.all():
            members = by_pool.pop(pool.name, [])
            if pool.template:
                wanted = self._wanted(pool, members, now_s)
                plan.append((pool, plans.plan(wanted, members, now_s=utc_s)))
        nothing = self._wants(target=0, template="", max_age_s=float("inf"))
        for name, members in by_pool.items():
            if self.aims.is_sure and self.owns(name):
                plan.append((None, plans.plan(nothing, members, now_s=utc_s)))
        return plan

    def _wanted(self, pool: Pool, members: Sequence[Member], now_s: float) -> Wanted:
        target = pool.demand.target(now_s)
        alive = sum(m.standing in {Standing.IDLE, Standing.STARTING} for m in members)
        unseen = self.writes.unseen(pool.name)
        short_s = self._shortage.lasts_s(pool.name, is_short=alive + unseen < target, now_s=now_s)
        self._ceilings.reached(pool.name, alive=alive)
        may_create = self._may_create(
            pool, short_s, alive=alive + unseen, target=target, now_s=now_s
        )
        return self._wants(
            target=target,
            template=pool.template,
            priority_class=pool.spec.priority_class,
            max_age_s=pool.spec.max_age_s,
            may_create=may_create,
            unseen=unseen,
        )

    def _wants(self, **wanted: Any) -> Wanted:
        claiming, draining = (self.picture.reserved(why) for why in ("claim", "drain"))
        return Wanted(claiming=claiming, draining=draining, **wanted)

    def _may_create(
        self, pool: Pool, short_for_s: float, *, alive: int, target: int, now_s: float
    ) -> int:
        if self._holds.holds(pool.name, now_s=now_s):
            return 0
        room = self._ceilings.room(pool.name, alive=alive, now_s=now_s)
        pressure = self._pressure(pool, short_for_s, now_s, is_half_full=2 * alive >= target)
        return min(room, rooms.may_create(pressure))

    def _pressure(
        self, pool: Pool, short_for_s: float, now_s: float, *, is_half_full: bool
    ) -> Pressure:
        starting = self.picture.starting(self.clock.utc_s()) + self.writes.unseen()
        parked = pool.namespace in self.launches.parked()
        return Pressure(
            launches_wait=parked or self.launches.waits_for_a_start(),
            is_down=self._is_down() or not self.aims.renderer.boards(),
            claims_in_flight=self.claims.in_flight,
            claimed=self.gates.starts.claimed,
            since_claim_s=now_s - self.claims.last_s,
            short_for_s=short_for_s,
            is_half_full=is_half_full,
            starting=starting,
            starting_most=self.starting_most,
            start_room=self.gates.start_room() - starting,
        )

    def _is_down(self) -> bool:
        """Whether nothing may be asked of the API server now; between two probes of it only."""
        return self.gates.breaker.hold_s(self.clock.now_s()) > 0

    async def _may_refill(self) -> bool:
        if self.clock.now_s() < self._ask_again_s:
            return False
        loop = asyncio.get_running_loop()
        try:
            is_refiller = await loop.run_in_executor(self.threads, self.is_refiller)
        except Exception:
            log.exception("cannot read which scheduler refills the warm pools")
            is_refiller = False
        if not is_refiller:
            self._ask_again_s = self.clock.now_s() + ASK_AGAIN_S
        return is_refiller

    # -- doing it --------------------------------------------------------------------------------

    async def _begin(self, pool: Pool | None, action: Action) -> None:
        match action:
            case Create(count=count) if pool is not None:
                # What this very pass found dead may have put the pool on hold.
                held = self._holds.holds(pool.name, now_s=self.clock.now_s())
                for _ in range(0 if held else count):
                    await self._create(pool)
            case Drain(member=member, reason=reason):
                self._drain(member, reason)
            case Delete(member=member) if self.writes.delete(member):
                ended_badly = state.of(member.pod) is PodState.FAILED
                if member.standing is Standing.ENDED and ended_badly:
                    self._went_wrong(member, "lost a pod that was idle")

    async def _create(self, pool: Pool) -> None:
        name = f"warm-{pool.name.rpartition('.')[2]}-{self.rng.getrandbits(40):010x}"
        manifest = await self.aims.render(pool, name=name)
        if manifest is not None:
            failed = self._refused(pool)
            self._go(self.writes.create(pool.name, manifest, failed=failed))

    def _drain(self, member: Member, reason: str) -> None:
        if reason == NOT_STARTING:
            self._went_wrong(member, "has a pod that does not start")
        self.picture.reserve(member, "drain")
        self._go(self.writes.drain(member, reason))

    def _give_way(self) -> None:
        """Give up idle pods for launches of ours that a quota refuses."""
        for namespace, parked in self.launches.parked().items():
            claiming, draining = (self.picture.reserved(why) for why in ("claim", "drain"))
            for member in plans.sacrifice(
                self.picture.members(),
                namespace=namespace,
                parked=parked,
                claiming=claiming,
                draining=draining,
            ):
                self._drain(member, "a launch needs its place in the quota")

    def _go(self, write: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(write)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what is told ----------------------------------------------------------------------------

    def _refused(self, pool: Pool) -> Callable[[ClusterError | OSError], None]:
        def failed(error: ClusterError | OSError) -> None:
            if not (isinstance(error, ApiError) and error.is_quota):
                self._hold(pool.name, "gets no pods", str(error))
                return
            members = [m for m in self.picture.members() if m.pool == pool.name]
            alive = sum(m.standing in {Standing.IDLE, Standing.STARTING} for m in members)
            alive += self.writes.unseen(pool.name)
            if self._ceilings.refused(pool.name, alive=alive, now_s=self.clock.now_s()):
                log.warning(
                    "pool %r is larger than the quota of namespace %r leaves room for and stays at "
                    "%d pods: make it smaller, or raise the quota (%s)",
                    pool.name,
                    pool.namespace,
                    alive,
                    error.message,
                )

        return failed

    def _went_wrong(self, member: Member, what: str) -> None:
        self._hold(member.pool, what, diagnosis.of(member.pod))

    def _hold(self, name: str, what: str, said: str = "") -> None:
        """Let the pool wait after a failure; the log is told once of each kind."""
        now_s = self.clock.now_s()
        if self._holds.failed(name, what, now_s=now_s):
            wait_s = self._holds.wait_s(name, now_s=now_s)
            log.warning("warm pool %r %s, it asks again in %.0f s: %s", name, what, wait_s, said)

    def _show(self) -> None:
        standing, utc_s = self.picture.standing(), self.clock.utc_s()
        oldest: dict[str, float] = {}
        for member in self.picture.members():
            age_s = utc_s - member.created_s
            oldest[member.pool] = max(oldest.get(member.pool, 0.0), age_s)
            if member.is_claimable and age_s >= PROVEN_AFTER_S:
                self._holds.worked(member.pool)
        for pool in self.aims.all():
            self.counters.pool(
                pool.name,
                idle=standing[pool.name, Standing.IDLE],
                starting=standing[pool.name, Standing.STARTING],
                target=pool.demand.target(self.clock.now_s()),
                age_max_s=oldest.get(pool.name, 0.0),
            )
