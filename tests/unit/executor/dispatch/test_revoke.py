"""A launch can be revoked at any moment: no outcome is reported, and no pod of it stays."""

import asyncio
import uuid

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.engine import Orphan
from tradewind.testing.builders import a_launch, base_running

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"


async def assert_nothing_is_left(world):
    await world.eventually(lambda: not world.cluster.names(), within_s=120)
    await asyncio.sleep(600)
    assert not world.cluster.names()
    assert not world.outcomes


async def test_in_the_backlog_it_costs_no_call(world):
    async with world.running(max_pending_pods="1") as engine:
        engine.submit(a_launch(priority=9))
        await world.pod()
        waiting, listed = a_launch(), world.cluster.count("list")
        engine.submit(waiting)
        engine.revoke(waiting.launch_id)
        await asyncio.sleep(1)
        await world.cluster.set_status(NAMESPACE, world.cluster.names()[0], base_running())
        await asyncio.sleep(60)
        assert not world.names_of(waiting)
    assert world.cluster.count("create") == 1
    assert world.cluster.count("list") == listed


async def test_parked_it_makes_room_for_others(world):
    world.cluster.pod_quota[NAMESPACE] = 0
    first, second = a_launch(priority=9), a_launch()
    async with world.running() as engine:
        engine.submit(first)
        engine.submit(second)
        await asyncio.sleep(1)
        engine.revoke(first.launch_id)
        world.cluster.pod_quota.clear()
        await world.created(second)
        assert not world.names_of(first)


async def test_while_its_pod_is_rendered(world):
    launch = a_launch()
    loop = asyncio.get_running_loop()
    async with world.running() as engine:

        def revoke():
            # Rendering is on a thread of its own; commands reach the engine through its loop.
            loop.call_soon_threadsafe(engine.revoke, launch.launch_id)
            return {}

        engine.submit(a_launch(launch_id=launch.launch_id, render_override=revoke))
        await assert_nothing_is_left(world)
    assert world.cluster.count("create") == 0


@pytest.mark.parametrize("moment", ["before_create", "after_create"])
async def test_while_its_create_is_under_way(world, moment):
    hang = asyncio.Event()
    setattr(world.cluster, moment, hang)
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await asyncio.sleep(1)
        engine.revoke(launch.launch_id)
        await asyncio.sleep(1)
        hang.set()
        await assert_nothing_is_left(world)


async def test_while_its_create_is_under_way_and_the_answer_gets_lost(world):
    world.cluster.after_create = asyncio.Event()
    launch = a_launch()
    async with world.running() as engine:
        await asyncio.sleep(1)
        world.cluster.is_blind = True
        engine.submit(launch)
        await asyncio.sleep(1)
        engine.revoke(launch.launch_id)
        world.cluster.is_down = True
        world.cluster.after_create.set()
        await asyncio.sleep(20)
        world.cluster.is_down = False
        await assert_nothing_is_left(world)


async def test_between_two_attempts_of_which_the_first_may_have_worked(world):
    launch = a_launch()
    async with world.running() as engine:
        await asyncio.sleep(1)
        world.cluster.is_blind = True
        world.cluster.fail("create", ConnectionLostError("timed out"), takes_effect=True)
        engine.submit(launch)
        await asyncio.sleep(0.2)
        assert world.cluster.names()
        engine.revoke(launch.launch_id)
        await assert_nothing_is_left(world)


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
async def test_with_its_pod_known(world, running):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.created(launch)
        if running:
            await world.cluster.set_status(NAMESPACE, name, base_running())
        await asyncio.sleep(1)
        engine.revoke(launch.launch_id)
        await assert_nothing_is_left(world)
    assert world.cluster.count("delete") == 1


async def test_while_its_end_is_being_judged(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.created(launch)

        def revoke_meanwhile(row_ids):
            engine.revoke(launch.launch_id)
            return {}

        world.read = revoke_meanwhile
        await world.end(name, exit_code=1)
        await assert_nothing_is_left(world)


async def test_adopted_on_trust(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.created(launch)
    await world.cluster.break_down()
    async with world.running() as engine:
        await engine.adopt([Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id)])
        engine.revoke(launch.launch_id)
        world.cluster.come_back()
        await assert_nothing_is_left(world)


async def test_adopted_by_nobody_its_pods_are_found_by_their_label(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.created(launch)
    async with world.running() as engine:
        await asyncio.sleep(1)
        engine.revoke(launch.launch_id)
        await assert_nothing_is_left(world)


async def test_adopted_by_nobody_it_is_looked_for_until_a_list_works(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.created(launch)
    async with world.running() as engine:
        await asyncio.sleep(1)
        for error in (ApiError(500), ApiError(403), OSError("reset")):
            world.cluster.fail("list", error)
        engine.revoke(launch.launch_id)
        await assert_nothing_is_left(world)


async def test_an_unknown_launch_without_pods_is_no_error(world):
    async with world.running() as engine:
        engine.revoke(uuid.uuid4())
        await asyncio.sleep(60)
    assert world.cluster.count("delete") == 0


async def test_a_launch_that_is_submitted_again_keeps_its_new_pod(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        engine.revoke(launch.launch_id)
        engine.submit(launch)
        name = await world.created(launch)
        await world.cluster.set_status(NAMESPACE, name, base_running())
        await asyncio.sleep(60)
        assert world.cluster.names() == [name]
