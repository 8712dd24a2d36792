"""Pools are filled, kept young, drained and emptied, and never stand in a launch's way."""

import asyncio

import pytest

from tradewind import metrics
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.pool.plan import CREATE_BATCH
from tradewind.testing.builders import a_launch, base_ended, condition

NAMESPACE = "default"


async def test_a_pool_is_filled_a_few_at_a_time(schedulers):
    schedulers.want(default=10)
    async with schedulers.running(warm_starting_max="2"):
        seen = 0
        while len(schedulers.idle()) < 10:
            starting = len(schedulers.idle(running=False)) - len(schedulers.idle())
            seen = max(seen, starting)
            await asyncio.sleep(0.5)
        assert seen == 2
        await asyncio.sleep(600)
        assert len(schedulers.idle(running=False)) == 10
        assert schedulers.cluster.count("create") == 10


async def test_a_claimed_pod_is_replaced_but_not_in_the_claims_shadow(schedulers):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        await asyncio.sleep(5)
        creates = schedulers.cluster.count("create")
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        claimed_s = schedulers.clock.now_s()
        await schedulers.eventually(lambda: schedulers.cluster.count("create") > creates)
        assert schedulers.clock.now_s() - claimed_s >= 1.0
        await schedulers.filled(2)


async def test_a_pool_refills_under_a_stream_of_claims_that_never_pauses(schedulers):
    schedulers.want(default=4)
    async with schedulers.running() as engine:
        await schedulers.filled(4)
        launches = [a_launch() for _ in range(40)]
        for launch in launches:
            engine.submit(launch)
            await asyncio.sleep(0.8)
        warm = [schedulers.is_warm(launch) for launch in launches]
        assert sum(warm[10:]) > 10


async def test_while_launches_wait_to_start_cold_a_pool_asks_for_nothing(schedulers):
    schedulers.want(default=3)
    async with schedulers.running(max_pending_pods="1") as engine:
        await schedulers.filled(3)
        schedulers.starts_in_s = 30.0
        for _ in range(6):
            engine.submit(a_launch())
        await asyncio.sleep(20)
        pools = [n for n in schedulers.cluster.names() if n.startswith("warm-default-")]
        assert len(pools) == 3
        schedulers.starts_in_s = 3.0
        await schedulers.filled(3)


@pytest.mark.parametrize("how", ["size", "removed", "off"])
async def test_a_pool_that_is_not_wanted_any_more_is_empty_within_a_minute(schedulers, how):
    schedulers.want(default=30)
    async with schedulers.running():
        await schedulers.filled(30)
        if how == "size":
            schedulers.want(default=0)
        elif how == "removed":
            schedulers.want()
        if how != "off":
            await asyncio.sleep(60)
            assert schedulers.cluster.names() == []
    if how == "off":
        assert len(schedulers.idle()) == 30, "the end of a scheduler touches no pod"
        async with schedulers.running(pools=False):
            await asyncio.sleep(60)
            assert schedulers.cluster.names() == []


async def test_a_changed_template_drains_what_was_made_of_the_old_one(schedulers):
    schedulers.want(default=3)
    async with schedulers.running() as engine:
        before = await schedulers.filled(3)
        schedulers.use_image("w:2")
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch), "a pod of the old image must not serve"
        await schedulers.eventually(lambda: not set(before) & set(schedulers.cluster.names()))
        after = await schedulers.filled(3)
        images = {
            schedulers.cluster.raw(NAMESPACE, name)["spec"]["containers"][0]["image"]
            for name in after
        }
        assert images == {"w:2"}


async def test_a_broken_template_keeps_the_pool_and_says_so_once(schedulers, caplog):
    schedulers.want(default=2)
    async with schedulers.running():
        before = await schedulers.filled(2)
        schedulers.template.write_text("kind: Deployment")
        await asyncio.sleep(120)
        assert sorted(schedulers.idle()) == sorted(before)
    assert caplog.text.count("pool 'default' keeps no pods") == 1


async def test_a_slip_in_the_setting_drains_nothing_and_says_so_once(schedulers, caplog):
    schedulers.want(default=2)
    async with schedulers.running():
        before = await schedulers.filled(2)
        schedulers.want(default={"size": "many"})
        await asyncio.sleep(120)
        assert sorted(schedulers.idle()) == sorted(before)
    assert caplog.text.count("size is 'many'") == 1


async def test_old_pods_are_replaced_one_after_the_other(schedulers):
    schedulers.want(default={"size": 3, "max_age": 600})
    async with schedulers.running():
        before = await schedulers.filled(3)
        fewest = 3
        while set(before) & set(schedulers.cluster.names()):
            await asyncio.sleep(1)
            fewest = min(fewest, len(schedulers.idle()))
        assert 480 <= schedulers.clock.now_s() <= 660
        assert fewest >= 2


async def test_a_pool_of_two_priorities_asks_for_the_idle_one(schedulers):
    schedulers.want(default={"size": 1, "priority_class": "idle"})
    async with schedulers.running() as engine:
        name, *_ = await schedulers.filled(1)
        assert schedulers.cluster.raw(NAMESPACE, name)["spec"]["priorityClassName"] == "idle"
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert schedulers.is_warm(launch), "its class is no part of what makes pods alike"


async def test_two_pools_of_one_shape_are_one_too_many(schedulers, caplog):
    schedulers.want(first=1, second={"size": 1, "priority_weight": 7})
    async with schedulers.running():
        await asyncio.sleep(30)
        assert len(schedulers.idle()) == 1
    assert "'second' has the same pods as pool 'first'" in caplog.text


# -- two schedulers -------------------------------------------------------------------------------


async def test_of_two_schedulers_one_refills_and_both_claim(schedulers):
    schedulers.want(default=6)
    async with schedulers.running(number=3) as one, schedulers.running(number=8) as other:
        await schedulers.filled(6)
        launches = [a_launch() for _ in range(6)]
        for number, launch in enumerate(launches):
            (one, other)[number % 2].submit(launch)
        for launch in launches:
            await schedulers.pod_of(launch)
        assert all(schedulers.is_warm(launch) for launch in launches)
        assert len({pod for launch in launches for pod in schedulers.pods_of(launch)}) == 6
        most = 0
        for _ in range(60):
            most = max(most, len(schedulers.idle(running=False)))
            await asyncio.sleep(0.5)
        assert most == 6


async def test_when_the_refiller_dies_the_next_one_takes_over(schedulers):
    schedulers.want(default=3)
    async with schedulers.running(number=8):
        async with schedulers.running(number=3):
            await schedulers.filled(3)
        schedulers.want(default=5)
        await schedulers.filled(5)


async def test_two_that_both_take_themselves_for_the_refiller_overshoot_by_one_batch(schedulers):
    schedulers.want(default=8)
    schedulers.alive.add(0)
    for number in (0, 0):
        assert number == min(schedulers.alive)
    async with schedulers.running(number=0), schedulers.running(number=0):
        most = 0
        for _ in range(120):
            most = max(most, len(schedulers.idle(running=False)))
            await asyncio.sleep(0.25)
        assert most <= 8 + CREATE_BATCH
        await asyncio.sleep(300)
        assert len(schedulers.idle(running=False)) == 8


async def test_pods_of_another_airflow_in_the_namespace_are_left_alone(schedulers):
    schedulers.want(default=2)
    async with schedulers.running(installation="theirs"):
        theirs = await schedulers.filled(2)
    async with schedulers.running(installation="ours") as engine:
        await schedulers.filled(4)
        schedulers.want(default=0)
        await schedulers.filled(2)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        await asyncio.sleep(120)
        assert sorted(schedulers.idle()) == sorted(theirs)


# -- quota, nodes, faults -------------------------------------------------------------------------


async def test_on_a_quotas_refusal_an_idle_pod_goes_and_the_launch_starts(schedulers):
    schedulers.want(default=3)
    schedulers.cluster.pod_quota[NAMESPACE] = 3
    async with schedulers.running() as engine:
        await schedulers.filled(3)
        launch = a_launch(choice={"resources": {"requests": {"cpu": "2"}}})
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert schedulers.clock.now_s() < 60
        assert len(schedulers.idle()) == 2
        await asyncio.sleep(600)
        assert schedulers.pods_of(launch), "a refill must not push a launch's pod out"
        assert len(schedulers.idle()) == 2


async def test_a_pool_larger_than_its_quota_says_so_once_and_stops_asking(schedulers, caplog):
    schedulers.want(default=9)
    schedulers.cluster.pod_quota[NAMESPACE] = 4
    async with schedulers.running() as engine:
        await schedulers.filled(4)
        await asyncio.sleep(600)
        refused = schedulers.cluster.count("create") - 4
        assert refused <= 20
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        schedulers.row(launch, "running")
        await schedulers.finish(launch)
        await schedulers.filled(4)
    assert caplog.text.count("is larger than the quota of namespace 'default'") == 1


async def test_a_quota_that_grows_is_used_in_the_end(schedulers):
    schedulers.want(default=6)
    schedulers.cluster.pod_quota[NAMESPACE] = 2
    async with schedulers.running():
        await schedulers.filled(2)
        await asyncio.sleep(60)
        schedulers.cluster.pod_quota.clear()
        await schedulers.filled(6)


async def test_idle_pods_that_die_are_replaced_ever_more_slowly(schedulers, caplog):
    schedulers.want(default=1)
    async with schedulers.running():
        until_s = schedulers.clock.now_s() + 1200
        while schedulers.clock.now_s() < until_s:
            for name in schedulers.idle():
                await schedulers.cluster.set_status(NAMESPACE, name, base_ended(1))
            await asyncio.sleep(0.5)
        assert schedulers.cluster.count("create") <= 10
    assert caplog.text.count("lost a pod that was idle") == 1


async def test_an_idle_pod_evicted_for_memory_goes_and_is_replaced(schedulers):
    schedulers.want(default=2)
    async with schedulers.running():
        evicted, _ = await schedulers.filled(2)
        said = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on: memory."}
        await schedulers.cluster.set_status(NAMESPACE, evicted, said)
        await schedulers.eventually(lambda: evicted not in schedulers.cluster.names())
        await schedulers.filled(2)


async def test_an_idle_pod_that_no_node_takes_gives_way(schedulers):
    schedulers.want(default=1)
    schedulers.starts_in_s = 1e9
    async with schedulers.running():
        await schedulers.eventually(lambda: schedulers.idle(running=False))
        [name] = schedulers.idle(running=False)
        status = condition("PodScheduled", "Unschedulable", "0/1 nodes", status="False")
        await schedulers.cluster.set_status(NAMESPACE, name, status | {"phase": "Pending"})
        await schedulers.eventually(lambda: name not in schedulers.cluster.names(), within_s=60)


async def test_a_create_whose_answer_was_lost_is_not_made_up_for_twice(schedulers):
    schedulers.want(default=1)
    schedulers.cluster.fail("create", ConnectionLostError("reset"), takes_effect=True)
    async with schedulers.running():
        await schedulers.filled(1)
        await asyncio.sleep(300)
        assert schedulers.cluster.count("create") == 1


async def test_a_blind_watch_fills_no_pool_twice(schedulers):
    schedulers.want(default=3)
    async with schedulers.running():
        await asyncio.sleep(0.1)
        schedulers.cluster.is_blind = True
        await asyncio.sleep(300)
        assert schedulers.cluster.count("create") <= CREATE_BATCH


async def test_a_drain_whose_answer_was_lost_is_finished(schedulers):
    schedulers.want(default=1)
    async with schedulers.running():
        await schedulers.filled(1)
        schedulers.cluster.fail("patch", ConnectionLostError("reset"), takes_effect=True)
        schedulers.want(default=0)
        await schedulers.eventually(lambda: not schedulers.cluster.names())


async def test_a_pod_claimed_while_it_was_to_be_drained_is_the_launchs(schedulers):
    schedulers.want(default=1)
    async with schedulers.running(number=1), schedulers.running(number=2) as other:
        [name] = await schedulers.filled(1)
        launch = a_launch()
        schedulers.want(default=0)
        other.submit(launch)
        await asyncio.sleep(30)
        [pod] = schedulers.pods_of(launch)
        assert pod == name or name not in schedulers.cluster.names()
        if pod == name:
            assert "tradewind/draining" not in schedulers.labels(name)


async def test_without_an_endpoint_that_answers_a_pool_asks_for_nothing_and_keeps_what_it_has(
    schedulers,
):
    schedulers.want(default=2)
    async with schedulers.running():
        before = await schedulers.filled(2)
        schedulers.answers = False
        schedulers.want(default=4)
        await asyncio.sleep(120)
        assert sorted(schedulers.idle(running=False)) == sorted(before)
        schedulers.answers = True
        await schedulers.filled(4)


async def test_a_server_that_is_down_for_two_minutes_costs_the_pool_nothing(schedulers):
    schedulers.want(default=3)
    async with schedulers.running() as engine:
        before = await schedulers.filled(3)
        await schedulers.cluster.break_down()
        launch = a_launch()
        engine.submit(launch)
        await asyncio.sleep(120)
        schedulers.cluster.come_back()
        await schedulers.pod_of(launch)
        assert len(schedulers.pods_of(launch)) == 1
        await schedulers.filled(3)
        assert len(set(before) & set(schedulers.cluster.names())) >= 2
        assert not schedulers.outcomes


async def test_an_unreadable_list_of_schedulers_refills_nothing(schedulers, caplog):
    schedulers.want(default=2)
    async with schedulers.running():
        schedulers.alive.clear()
        await asyncio.sleep(30)
        assert schedulers.cluster.names() == []
        schedulers.alive.add(1)
        await schedulers.filled(2)
    assert "cannot read which scheduler refills" in caplog.text


async def test_gauges_tell_what_a_pool_has_and_wants(schedulers):
    schedulers.want(default=2)
    async with schedulers.running():
        await schedulers.filled(2)
        await asyncio.sleep(30)
        measured = schedulers.measured
        assert measured.last(metrics.POOL_IDLE, pool="default") == 2
        assert measured.last(metrics.POOL_TARGET, pool="default") == 2
        assert measured.last(metrics.POOL_STARTING, pool="default") == 0
        assert 25 <= measured.last(metrics.POOL_AGE_MAX, pool="default") <= 60


async def test_a_pool_that_follows_the_rate_grows_with_launches_of_every_scheduler(schedulers):
    schedulers.want(default={"size": "auto", "max": 20})
    async with schedulers.running(number=1), schedulers.running(number=2) as other:
        await asyncio.sleep(5)
        assert schedulers.idle(running=False) == []
        for _ in range(60):
            launch = a_launch()
            schedulers.row(launch, "running")
            other.submit(launch)
            await asyncio.sleep(2)
            if schedulers.pods_of(launch):
                await schedulers.finish(launch)
        assert 3 <= len(schedulers.idle(running=False)) <= 8


async def test_a_refused_create_of_the_pool_fails_no_launch(schedulers):
    schedulers.want(default=1)
    schedulers.cluster.fail("create", ApiError(422, reason="Invalid", message="bad"))
    async with schedulers.running():
        await schedulers.filled(1)
        assert not schedulers.outcomes
