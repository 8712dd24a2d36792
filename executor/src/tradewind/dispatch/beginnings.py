"""See tasks begin, so that those which wait for a start can follow. Loop thread only.

A running container says nothing of its worker, which imports before it begins its task. The task
instance's row says it: two batched reads a second while pods are between the two, none otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Protocol

from tradewind.clock import Clock
from tradewind.dispatch.gates.starts import Starts
from tradewind.dispatch.hooks import ReadFacts
from tradewind.dispatch.ledger import Entry, Ledger
from tradewind.dispatch.settle import TaskFacts

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Waiting(Protocol):
    """What waits for room to start; the submission."""

    def pump(self) -> None:
        """Create pods while the gates let it."""
        ...


def has_begun(entry: Entry, facts: TaskFacts | None) -> bool:
    """Whether the row shows that the launch's task began, or is none of the launch's any more."""
    return facts is None or (facts.state, facts.launch_id) != ("queued", entry.launch_id)


class Beginnings:
    """The loop that reads the rows of pods whose container runs."""

    def __init__(
        self,
        *,
        starts: Starts,
        ledger: Ledger,
        waiting: Waiting,
        read_facts: ReadFacts,
        clock: Clock,
        threads: Executor,
    ) -> None:
        self._starts = starts
        self._ledger = ledger
        self._waiting = waiting
        self._read_facts = read_facts
        self._clock = clock
        self._threads = threads
        self._is_blind = False
        """Whether the last read failed: said once, for it is tried every time."""

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            pods = [
                (entry, entry.ordinal)
                for launch_id in self._starts.importing(self._clock.now_s())
                if (entry := self._ledger.get(launch_id)) is not None
            ]
            if pods:
                await self._look(pods)

    async def _look(self, pods: list[tuple[Entry, int]]) -> None:
        row_ids = [entry.row_id for entry, _ in pods]
        loop = asyncio.get_running_loop()
        try:
            facts = await loop.run_in_executor(self._threads, self._read_facts, row_ids)
        except Exception as error:  # noqa: BLE001 - said once, and tried again every time
            # The database is down, for instance. What starts for too long stops counting anyway.
            if not self._is_blind:
                log.warning("cannot see which of %d tasks began: %s", len(pods), error)
            self._is_blind = True
            return
        self._is_blind = False
        now_s = self._clock.now_s()
        for entry, ordinal in pods:
            # It may have got another pod while its row was read, of which the row says nothing.
            is_same = self._ledger.holds(entry) and entry.ordinal == ordinal
            if is_same and has_begun(entry, facts.get(entry.row_id)):
                entry.has_boarded = True
                self._starts.started(entry.launch_id, now_s)
        self._waiting.pump()
