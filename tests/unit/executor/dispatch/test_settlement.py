"""When the rows of ended pods are read: a lone end at once, those that follow it together."""

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import pytest

from tradewind.dispatch.settlement import PAUSE_S, End, Settlement
from tradewind.pods.causes import Cause, Kind


def an_end():
    entry = SimpleNamespace(row_id=uuid4(), reports_itself=True, launch_id=uuid4())
    return End(entry=entry, ended_well=True, cause=Cause(Kind.NO_RESULT, "ended"))


@pytest.fixture
async def settled(clock):
    """Yield what has so many ends judged, and returns when rows were read so far, and how many."""
    reads, judged = [], asyncio.Queue()
    settlement = Settlement(
        ledger=SimpleNamespace(holds=lambda _: True),
        read_facts=lambda row_ids: reads.append((clock.now_s(), len(row_ids))) or {},
        clock=clock,
        threads=None,  # A virtual loop has none.
    )
    running = asyncio.create_task(settlement.run(lambda end, _: judged.put_nowait(end)))

    async def settled(count):
        for _ in range(count):
            settlement.add(an_end())
        for _ in range(count):
            await judged.get()
        return reads

    yield settled
    running.cancel()


async def test_a_lone_end_waits_for_no_other(settled, clock):
    assert await settled(1) == [(0.0, 1)]
    assert clock.now_s() == 0.0


async def test_ends_soon_after_a_read_share_the_next(settled):
    await settled(1)
    assert await settled(3) == [(0.0, 1), (PAUSE_S, 3)]
