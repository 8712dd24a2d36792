"""Render pods with what the database knows of their launch. Loop thread only.

Two things depend on it: more memory after earlier tries were killed for want of it, and the limit
of how long a pod may run. Both are read on a worker thread, and only where an option asks for them.
A launch never fails for want of either.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol, TypeVar
from uuid import UUID

from tradewind.config import Settings
from tradewind.dispatch.hooks import Records
from tradewind.dispatch.ledger import Launch
from tradewind.pods.merge import Manifest

log = logging.getLogger(__name__)

_Found = TypeVar("_Found")

READ_WITHIN_S = 10.0
MOST_VERSIONS = 2_000
"""Versions of DAGs whose timeouts are remembered; of each only the tasks that have one."""


class Renderer(Protocol):
    """What makes the pod; `renderer.Renderer`."""

    async def render(self, launch: Launch, *, ordinal: int) -> Manifest:
        """Return the manifest of the launch's pod."""
        ...


class InformedRenderer:
    """A renderer in front of which launches are completed."""

    def __init__(
        self, renderer: Renderer, *, records: Records | None, settings: Settings, threads: Executor
    ) -> None:
        self._renderer = renderer
        self._records = records
        self._raises_memory = settings.oom_memory_factor > 1
        self._limits_runs = settings.running_limit
        self._threads = threads
        self._timeouts: OrderedDict[UUID, asyncio.Future[Mapping[str, float]]] = OrderedDict()

    async def render(self, launch: Launch, *, ordinal: int) -> Manifest:
        """Return the manifest of the launch's pod.

        Raises:
            ConfigError: template, choice, override or mutation hook is unusable.

        """
        records = self._records
        if records is not None and launch.reports_itself:
            launch = await self._with_timeout(launch, records)
            launch = await self._with_kills(launch, records)
        return await self._renderer.render(launch, ordinal=ordinal)

    async def _with_kills(self, launch: Launch, records: Records) -> Launch:
        if not self._raises_memory or launch.task.try_number <= 1:
            return launch
        kills = await self._within(self._read(records.oom_kills, launch.task), what="OOM kills")
        return replace(launch, oom_kills=kills or 0)

    async def _with_timeout(self, launch: Launch, records: Records) -> Launch:
        version = launch.dag_version_id
        if not self._limits_runs or version is None:
            return launch
        timeouts = await self._within(self._timeouts_of(version, records), what="timeouts")
        return replace(launch, timeout_s=(timeouts or {}).get(launch.task.task_id))

    def _timeouts_of(self, version: UUID, records: Records) -> asyncio.Future[Mapping[str, float]]:
        """Return the timeouts of a version of a DAG, which never change: one read for all."""
        known = self._timeouts.get(version)
        if known is not None and not (known.done() and (known.cancelled() or known.exception())):
            self._timeouts.move_to_end(version)
            return known
        reading = asyncio.ensure_future(self._read(records.execution_timeouts, version))
        self._timeouts[version] = reading
        if len(self._timeouts) > MOST_VERSIONS:
            self._timeouts.popitem(last=False)
        return reading

    def _read(self, function: Callable[..., _Found], of: object) -> asyncio.Future[_Found]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function, of)

    async def _within(self, reading: asyncio.Future[_Found], *, what: str) -> _Found | None:
        """Return what was read; None, with a warning, when it cannot be read in time."""
        try:
            if reading.done():
                return reading.result()
            async with asyncio.timeout(READ_WITHIN_S):
                # Others may wait for the same read.
                return await asyncio.shield(reading)
        except Exception as error:  # noqa: BLE001 - whatever a database raises
            reason = str(error) or "no answer in time"
            log.warning("the %s of a launch are unknown, its pod goes without: %s", what, reason)
            return None
