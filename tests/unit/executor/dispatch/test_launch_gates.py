"""The gates in front of a create, as the engine uses them, over minutes of virtual time."""

import asyncio
import dataclasses

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, a_task, base_ended, base_running

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"


def launches(count, **changed):
    return [a_launch(**changed) for _ in range(count)]


def submit_all(world, engine, submitted, state="success"):
    for launch in submitted:
        world.row(launch, state)
        engine.submit(launch)


async def end_everything(world, *, every_s=1.0, until):
    """End each pod that is alive, again and again, until the claim holds."""
    async with asyncio.timeout(7200):
        while not until():
            for name in world.cluster.alive():
                await world.end(name)
            await asyncio.sleep(every_s)


async def test_a_launch_is_given_up_after_its_budget_not_before(world):
    launch = a_launch()
    for _ in range(1000):
        world.cluster.fail("create", ApiError(500, message="failed calling webhook"))
    async with world.running() as engine:
        engine.submit(launch)
        await asyncio.sleep(890)
        assert not world.outcomes
        await asyncio.sleep(60)
    assert world.verdicts() == [Verdict.FAILED]
    assert "gave up after" in world.outcomes[0].reason
    assert world.told("refused")
    assert world.cluster.count("create") < 50


async def test_an_outage_of_ten_minutes_fails_nothing_and_is_probed_gently(world):
    submitted = launches(50)
    async with world.running(max_starting_pods="50", create_concurrency="16") as engine:
        await world.cluster.break_down()
        submit_all(world, engine, submitted)
        await asyncio.sleep(600)
        assert not world.outcomes
        assert engine.stats().is_api_server_down
        assert world.cluster.count("create") < 100, "one probe at a time"
        world.cluster.come_back()
        healed_s = world.clock.now_s()
        await world.eventually(lambda: len(world.cluster.names()) == 50)
        assert world.clock.now_s() - healed_s < 60
        await end_everything(world, until=lambda: len(world.outcomes) == 50)
    assert set(world.verdicts()) == {Verdict.SUCCESS}


async def test_retry_after_holds_every_create(world):
    world.cluster.fail("create", ApiError(429, retry_after_s=40))
    async with world.running(create_concurrency="1") as engine:
        submit_all(world, engine, launches(3))
        await asyncio.sleep(39)
        assert world.cluster.count("create") == 1
        await world.eventually(lambda: len(world.cluster.names()) == 3, within_s=30)


async def test_slow_answers_narrow_the_window(world):
    world.cluster.create_takes_s = 20
    async with world.running(create_concurrency="8") as engine:
        submit_all(world, engine, launches(8))
        await asyncio.sleep(30)
        assert engine.stats().open_slots < 8


async def test_a_full_quota_costs_few_calls_and_no_task(world):
    world.cluster.pod_quota[NAMESPACE] = 5
    submitted = launches(60)
    async with world.running() as engine:
        submit_all(world, engine, submitted)
        await asyncio.sleep(5)
        stats = engine.stats()
        assert (stats.parked, stats.waiting) == (55, 0)
        assert "exceeded quota" in stats.parked_reasons[NAMESPACE]
        await end_everything(world, until=lambda: len(world.outcomes) == 60)
    assert set(world.verdicts()) == {Verdict.SUCCESS}
    assert len(world.told("parked")) >= 55
    assert world.cluster.count("create") <= 60 * 2.5


async def test_parked_launches_outlast_the_launch_budget(world):
    world.cluster.pod_quota[NAMESPACE] = 0
    async with world.running() as engine:
        submit_all(world, engine, launches(2))
        await asyncio.sleep(3600)
        assert not world.outcomes
        world.cluster.pod_quota.clear()
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=61)


async def test_a_quota_that_is_recounted_late_is_asked_again_soon(world):
    world.cluster.pod_quota[NAMESPACE] = 1
    first, second = launches(2)
    async with world.running() as engine:
        submit_all(world, engine, [first, second])
        name = await world.created(first)
        await asyncio.sleep(1)
        world.cluster.fail("create", ApiError(403, message="exceeded quota: q"))
        await world.end(name)
        await world.eventually(lambda: world.names_of(second), within_s=5)


async def test_the_quota_of_one_namespace_holds_up_no_other(world):
    world.cluster.pod_quota["full"] = 0

    def namespace(name):
        return lambda: {"metadata": {"namespace": name}}

    async with world.running(create_concurrency="1", multi_namespace_mode="True") as engine:
        for number in range(3):
            task = a_task(task_id=f"parked{number}")
            engine.submit(a_launch(render_override=namespace("full"), task=task, priority=9))
        free = a_launch(render_override=namespace("free"))
        engine.submit(free)
        await world.created(free)
        assert engine.stats().parked == 3


async def test_max_pending_pods_lets_the_next_pass_when_one_runs(world):
    submitted = launches(3)
    async with world.running(max_pending_pods="1") as engine:
        submit_all(world, engine, submitted)
        await asyncio.sleep(60)
        assert len(world.cluster.names()) == 1
        await world.cluster.set_status(NAMESPACE, world.cluster.names()[0], base_running())
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=1)
        stats = engine.stats()
        assert (stats.running, stats.pending, stats.waiting) == (1, 1, 1)


async def test_max_starting_pods_bounds_starts_but_not_held_up_pods(world):
    submitted = launches(3)
    unschedulable = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
    }
    async with world.running(max_starting_pods="1") as engine:
        submit_all(world, engine, submitted)
        await asyncio.sleep(50)
        assert len(world.cluster.names()) == 1
        await world.cluster.set_status(NAMESPACE, world.cluster.names()[0], unschedulable)
        await world.eventually(lambda: len(world.cluster.names()) == 2, within_s=1)


async def test_by_default_starts_are_bounded_by_what_was_learned(world):
    async with world.running() as engine:
        submit_all(world, engine, launches(100))
        await asyncio.sleep(10)
        assert len(world.cluster.names()) == engine.stats().starting_limit < 100


async def test_a_late_urgent_launch_overtakes_everything_that_waits(world):
    async with world.running(max_pending_pods="1") as engine:
        submit_all(world, engine, launches(3, priority=1))
        await world.pod()
        urgent = a_launch(priority=9, task=a_task(task_id="urgent"))
        engine.submit(urgent)
        await world.cluster.set_status(NAMESPACE, world.cluster.names()[0], base_running())
        await world.created(urgent)
        assert len(world.cluster.names()) == 2


async def test_among_equals_the_oldest_goes_first_even_after_a_retry(world):
    world.cluster.fail("create", ApiError(500))
    submitted = [a_launch(task=a_task(task_id=f"t{number}")) for number in range(3)]
    async with world.running(max_pending_pods="1") as engine:
        submit_all(world, engine, submitted)
        await asyncio.sleep(5)
        for _ in range(3):
            await asyncio.sleep(1)
            for name in world.cluster.alive():
                await world.cluster.set_status(NAMESPACE, name, base_running())
    order = [name.split("-")[1] for name in world.cluster.names()]
    assert order == ["t1", "t0", "t2"]


async def test_a_raw_transport_error_of_one_launch_is_waited_out(world):
    world.cluster.fail("create", OSError("handshake"))
    async with world.running() as engine:
        engine.submit(a_launch())
        await world.pod()
    assert engine.stats().api_errors == {"no_answer": 1}


async def test_a_bug_in_the_client_fails_one_launch_alone(world):
    world.cluster.fail("create", ValueError("surprise"))
    first, second = launches(2)
    async with world.running(create_concurrency="1") as engine:
        submit_all(world, engine, [first, second])
        await world.created(second)
        assert [outcome.launch_id for outcome in world.outcomes] == [first.launch_id]


async def test_credentials_that_stay_refused_are_retried_until_the_budget(world):
    for _ in range(1000):
        world.cluster.fail("create", ApiError(401, reason="Unauthorized"))
    async with world.running(launch_budget="300") as engine:
        engine.submit(a_launch())
        await asyncio.sleep(290)
        assert not world.outcomes
        await asyncio.sleep(60)
    assert world.verdicts() == [Verdict.FAILED]


async def test_events_name_the_launch_and_a_hook_that_raises_hurts_nobody(world):
    launch = a_launch()
    world.row(launch, "success")
    async with world.running() as engine:
        hooks = engine._dispatcher._hooks

        def explode(kind, ref, sentence):
            hooks.on_event(kind, ref, sentence)
            raise RuntimeError("surprise")

        engine._dispatcher._hooks = dataclasses.replace(hooks, on_event=explode)
        engine.submit(launch)
        await world.end(await world.pod())
        await world.outcome()
    assert [(kind, ref.launch_id) for kind, ref, _ in world.events] == [("ended", launch.launch_id)]


async def test_figures_add_up_over_a_launchs_life(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await asyncio.sleep(0.1)
        assert (engine.stats().pending, engine.stats().starting) == (1, 1)
        await world.cluster.set_status(NAMESPACE, name, base_running())
        await asyncio.sleep(1.1)
        assert (engine.stats().running, engine.stats().pending) == (1, 0)
        assert engine.stats().starting == 1, "its worker still imports"
        world.row(launch, "success")
        await asyncio.sleep(1.1)
        assert (engine.stats().running, engine.stats().starting) == (1, 0)
        await world.cluster.set_status(NAMESPACE, name, base_ended(0))
        await world.eventually(lambda: engine.stats().deletes == 1)
        stats = engine.stats()
    assert (stats.creates, stats.running, stats.pending, stats.settling) == (1, 0, 0, 0)
    assert stats.outcomes == {"success": 1}


@pytest.mark.parametrize(
    "error",
    [ApiError(503), ConnectionLostError("timed out")],
    ids=["gateway-gave-up", "answer-lost"],
)
async def test_twenty_lost_answers_make_no_second_pod(world, error):
    submitted = launches(20)
    for _ in range(20):
        world.cluster.fail("create", error, takes_effect=True)
    async with world.running() as engine:
        submit_all(world, engine, submitted)
        await end_everything(world, until=lambda: len(world.outcomes) == 20)
    assert set(world.cluster.most_alive.values()) == {1}
    assert set(world.verdicts()) == {Verdict.SUCCESS}
