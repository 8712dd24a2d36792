"""Judge ended pods by their task instances' rows: one batched read for all that ended together.

Loop thread; the read itself runs on a worker thread. A read that fails is repeated for ever, with
growing waits: without the row nobody knows whether a task has to be told failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from uuid import UUID

from tradewind.clock import Clock
from tradewind.dispatch.hooks import ReadFacts
from tradewind.dispatch.ledger import Entry, Ledger
from tradewind.dispatch.settle import TaskFacts
from tradewind.pods.causes import Cause

log = logging.getLogger(__name__)

PAUSE_S = 0.02
"""Between the beginnings of two reads: pods that end meanwhile share the second."""
MOST_ROWS = 500
FIRST_RETRY_S = 1.0
MOST_RETRY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A pod's end, before its task instance was read."""

    entry: Entry
    ended_well: bool
    cause: Cause


Judge = Callable[[End, TaskFacts | None], None]


class Settlement:
    """A queue of ends."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        read_facts: ReadFacts,
        clock: Clock,
        threads: Executor,
    ) -> None:
        self._ledger = ledger
        self._read_facts = read_facts
        self._clock = clock
        self._threads = threads
        self._ends: asyncio.Queue[End] = asyncio.Queue()

    def add(self, end: End) -> None:
        """Queue the end; it is judged soon."""
        self._ends.put_nowait(end)

    async def run(self, judge: Judge) -> None:
        """Call `judge` with each end and its row, or None without one. Runs until cancelled."""
        next_s = self._clock.now_s()
        while True:
            batch = [await self._ends.get()]
            wait_s = next_s - self._clock.now_s()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            next_s = self._clock.now_s() + PAUSE_S
            while not self._ends.empty() and len(batch) < MOST_ROWS:
                batch.append(self._ends.get_nowait())
            facts = await self._read([end for end in batch if self._ledger.holds(end.entry)])
            for end in batch:
                # Revoked meanwhile: nobody wants to know any more.
                if self._ledger.holds(end.entry):
                    _judge_safely(judge, end, facts.get(end.entry.row_id))

    async def _read(self, batch: list[End]) -> dict[UUID, TaskFacts]:
        row_ids = [end.entry.row_id for end in batch if end.entry.reports_itself]
        wait_s = FIRST_RETRY_S
        while row_ids:
            loop = asyncio.get_running_loop()
            try:
                return await loop.run_in_executor(self._threads, self._read_facts, row_ids)
            except Exception:
                log.exception(
                    "reading %d task instances failed, again in %.0f s", len(row_ids), wait_s
                )
            await self._clock.sleep(wait_s)
            wait_s = min(MOST_RETRY_S, wait_s * 2)
        return {}


def _judge_safely(judge: Judge, end: End, facts: TaskFacts | None) -> None:
    try:
        judge(end, facts)
    except Exception:
        # One launch's surprise must not cost the others of the batch their outcome.
        log.exception("judging the end of launch %s failed", end.entry.launch_id)
