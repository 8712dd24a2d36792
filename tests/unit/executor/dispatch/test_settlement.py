"""When the rows of ended pods are read: a lone end at once, those that follow it together."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from uuid import uuid4

import pytest

from tradewind.dispatch.settlement import PAUSE_S, End, Settlement
from tradewind.pods.causes import Cause, Kind


class Clock:
    """Time passes only where somebody waits for it."""

    def __init__(self):
        self.slept = []

    def now_s(self):
        return sum(self.slept)

    async def sleep(self, delay_s):
        self.slept.append(delay_s)
        await asyncio.sleep(0)


def an_end():
    entry = SimpleNamespace(row_id=uuid4(), reports_itself=True, launch_id=uuid4())
    return End(entry=entry, ended_well=True, cause=Cause(Kind.NO_RESULT, "ended"))


@pytest.fixture
async def settlement():
    """Yield one that runs, with its clock, the batches that were read and a wait for so many."""
    clock, reads, judged = Clock(), [], asyncio.Queue()
    with ThreadPoolExecutor(1) as threads:
        made = Settlement(
            ledger=SimpleNamespace(holds=lambda _: True),
            read_facts=lambda row_ids: reads.append(len(row_ids)) or {},
            clock=clock,
            threads=threads,
        )
        running = asyncio.create_task(made.run(lambda end, _: judged.put_nowait(end)))

        async def settled(count):
            async with asyncio.timeout(10):
                for _ in range(count):
                    await judged.get()

        yield SimpleNamespace(add=made.add, clock=clock, reads=reads, settled=settled)
        running.cancel()


async def test_a_lone_end_waits_for_no_other(settlement):
    settlement.add(an_end())
    await settlement.settled(1)
    assert (settlement.reads, settlement.clock.slept) == ([1], [])


async def test_ends_soon_after_a_read_share_the_next(settlement):
    settlement.add(an_end())
    await settlement.settled(1)
    for _ in range(3):
        settlement.add(an_end())
    await settlement.settled(3)
    assert (settlement.reads, settlement.clock.slept) == ([1, 3], [PAUSE_S])
