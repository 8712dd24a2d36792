"""What runs behind the endpoint in one API-server process, and whether it is ready.

Nothing here may keep the API server from starting, or end it: every part is tried again in the
background until it works. Loop thread only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tradewind import metrics
from tradewind.boarding import answers
from tradewind.boarding.answers import Answer
from tradewind.boarding.endpoint import Endpoint, HandOver
from tradewind.boarding.upkeep import Source, Upkeep
from tradewind.clock import Clock
from tradewind.metrics import UNMEASURED, Metrics

log = logging.getLogger(__name__)

_AGAIN_S = 30.0
_MEASURE_S = 5.0
_PATIENCE_S = 60.0
"""How long a start may take before it counts as a degraded one: a readiness probe that waited for
the cluster's API for ever would take Airflow's interface away with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether pods get their workloads from this process."""

    status: Literal["starting", "ready", "degraded"]
    not_ready: tuple[str, ...]
    """What is missing, in sentences that hold no address."""
    waiting: int
    """Requests held now."""


class Service:
    """The endpoint, once there is a cluster to ask about pods."""

    def __init__(
        self,
        connect: Callable[[], Sequence[Source]],
        *,
        hand_over: HandOver,
        warm_up: Callable[[], Awaitable[None]],
        clock: Clock,
        measured: Metrics = UNMEASURED,
    ) -> None:
        self._connect = connect
        self._hand_over = hand_over
        self._warm_up = warm_up
        self._clock = clock
        self._measured = measured
        self._endpoint: Endpoint | None = None
        self._upkeeps: Sequence[Upkeep] = ()
        self._warm = False
        self._began_s = clock.now_s()
        self._has_started = False

    async def board(
        self, authorization: str | None, read_body: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        """Return the answer to one request."""
        if self._endpoint is None:
            return answers.unavailable("starting")
        return await self._endpoint.board(authorization, read_body)

    def health(self) -> Health:
        """Return what is ready; once it has begun to serve, a process never `starts` again."""
        missing = [sentence for upkeep in self._upkeeps for sentence in upkeep.missing()]
        if self._endpoint is None:
            missing.append("no cluster is connected")
        if not self._warm:
            missing.append("Airflow's Execution API has not answered a first request")
        waited_s = self._clock.now_s() - self._began_s
        self._has_started = self._has_started or not missing or waited_s > _PATIENCE_S
        late: Literal["starting", "degraded"] = "degraded" if self._has_started else "starting"
        return Health(
            status=late if missing else "ready",
            not_ready=tuple(missing),
            waiting=self._held(),
        )

    async def run(self) -> None:
        """Connect, watch and keep the keys fresh until cancelled."""
        self._began_s = self._clock.now_s()
        await asyncio.gather(
            self._persist(self._warmed, "warm up Airflow's Execution API"),
            self._persist(self._served, "serve the pods that ask for their workloads"),
            self._measure(),
        )

    async def _persist(self, step: Callable[[], Awaitable[None]], purpose: str) -> None:
        while True:
            try:
                return await step()
            except Exception as error:
                log.warning("cannot %s, again in %.0f s: %s", purpose, _AGAIN_S, error)
                log.debug("the failure to %s", purpose, exc_info=error)
            await self._clock.sleep(_AGAIN_S)

    async def _warmed(self) -> None:
        await self._warm_up()
        self._warm = True

    async def _served(self) -> None:
        """Run until a part fails, which ends the others; then all begin anew."""
        upkeeps = [
            Upkeep(source, clock=self._clock, measured=self._measured) for source in self._connect()
        ]
        self._upkeeps = upkeeps
        self._endpoint = Endpoint(
            [upkeep.site for upkeep in upkeeps],
            hand_over=self._hand_over,
            clock=self._clock,
            measured=self._measured,
        )
        async with asyncio.TaskGroup() as tasks:
            for upkeep in upkeeps:
                tasks.create_task(upkeep.run())

    def _held(self) -> int:
        return sum(upkeep.held for upkeep in self._upkeeps)

    async def _measure(self) -> None:
        while True:
            self._measured.gauge(metrics.BOARD_WAITING, self._held())
            await self._clock.sleep(_MEASURE_S)
