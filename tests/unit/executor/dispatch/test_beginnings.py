"""A pod counts as starting until its task begins, which only its row tells."""

import asyncio

import pytest

from tradewind.dispatch.gates.starts import STUCK_AFTER_S
from tradewind.testing.builders import a_launch, base_running

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"


async def one_runs_another_waits(world, engine, *, first):
    """Submit two launches where one may start at once, and let the first one's container run."""
    second = a_launch()
    for launch in (first, second):
        world.row(launch, "queued")
        engine.submit(launch)
    await world.cluster.set_status(NAMESPACE, await world.pod(), base_running())


async def test_a_worker_that_imports_holds_others_back_until_its_task_begins(world):
    first = a_launch()
    async with world.running(max_starting_pods="1") as engine:
        await one_runs_another_waits(world, engine, first=first)
        await asyncio.sleep(10)
        assert len(world.cluster.names()) == 1
        world.row(first, "running")
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=1.5)


async def test_a_row_that_is_another_launchs_holds_nothing_back(world):
    first = a_launch()
    async with world.running(max_starting_pods="1") as engine:
        await one_runs_another_waits(world, engine, first=first)
        world.row(first, "queued", launch_id=a_launch().launch_id)
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=1.5)


async def test_what_has_no_row_has_begun_when_its_container_runs(world):
    async with world.running(max_starting_pods="1") as engine:
        await one_runs_another_waits(world, engine, first=a_launch(reports_itself=False))
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=0.5)
    assert world.reads == 0


async def test_rows_are_read_only_while_pods_are_between_container_and_task(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await asyncio.sleep(30)
        assert world.reads == 0
        await world.cluster.set_status(NAMESPACE, name, base_running())
        await asyncio.sleep(3.5)
        assert world.reads >= 3
        world.row(launch, "running")
        await asyncio.sleep(1.5)
        read = world.reads
        await asyncio.sleep(300)
        assert world.reads == read


async def test_a_database_that_is_down_is_told_once_and_holds_nothing_back_for_ever(world, caplog):
    def fail(_):
        raise ConnectionError("the database is down")

    async with world.running(max_starting_pods="1") as engine:
        world.read = fail
        await one_runs_another_waits(world, engine, first=a_launch())
        await asyncio.sleep(STUCK_AFTER_S - 10)
        assert len(world.cluster.names()) == 1
        await asyncio.sleep(20)
        assert len(world.cluster.names()) == 2
    assert caplog.text.count("cannot see which of 1 tasks began: the database is down") == 1


async def test_a_row_read_for_an_earlier_pod_says_nothing_of_the_next(world):
    first = a_launch()
    async with world.running(max_starting_pods="1") as engine:
        await one_runs_another_waits(world, engine, first=first)
        entry = engine._dispatcher.ledger.get(first.launch_id)
        inner = world.read

        def read_while_it_gets_another_pod(row_ids):
            entry.ordinal += 1
            world.row(first, "running")
            found = inner(row_ids)
            world.row(first, "queued")
            world.read = inner
            return found

        world.read = read_while_it_gets_another_pod
        await asyncio.sleep(5)
        assert world.read is inner
        assert not entry.has_boarded
