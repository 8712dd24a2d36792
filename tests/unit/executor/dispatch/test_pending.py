"""Pods that do not start: told, replaced or given up, never raced."""

import asyncio

import pytest

from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.hooks import PendingVerdict, wait
from tradewind.dispatch.pending import GONE_WITHIN_S
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, a_pod, base_running, base_waiting

NAMESPACE = "default"
NO_IMAGE = base_waiting("ImagePullBackOff", "manifest unknown")


def after(seconds, action):
    """Return a judge that waits so long and then wants `action`."""

    def judge(pod, pending_for_s):
        if pending_for_s < seconds:
            return PendingVerdict(action="wait", kind="image", sentence="the image is missing")
        return PendingVerdict(action=action, kind="image", sentence="the image stayed missing")

    return judge


async def queued_launch(world, engine):
    launch = a_launch()
    world.row(launch, "queued")
    engine.submit(launch)
    name = await world.created(launch)
    await world.cluster.set_status(NAMESPACE, name, NO_IMAGE)
    return launch, name


def test_the_default_leaves_pending_pods_alone():
    assert wait(a_pod(status=NO_IMAGE), 9999) == PendingVerdict(action="wait")


async def test_a_reason_is_told_once_while_the_pod_waits(world):
    world.judge = after(9999, "fail")
    async with world.running() as engine:
        await queued_launch(world, engine)
        await asyncio.sleep(600)
    assert world.told("pending") == ["the image is missing"]
    assert not world.outcomes


async def test_a_pod_that_starts_is_not_judged(world):
    judged = []
    world.judge = lambda pod, for_s: judged.append(pod) or PendingVerdict(action="fail")
    async with world.running() as engine:
        engine.submit(a_launch())
        await world.cluster.set_status(NAMESPACE, await world.pod(), base_running())
        await asyncio.sleep(600)
    assert not judged
    assert not world.outcomes


async def test_a_replaced_pod_is_gone_before_the_next_is_created(world):
    world.judge = after(30, "relaunch")
    world.cluster.deletes_slowly = True
    async with world.running() as engine:
        _, first = await queued_launch(world, engine)
        await world.eventually(lambda: world.cluster.count("delete") == 1)
        await asyncio.sleep(60)
        assert world.cluster.names() == [first], "no second pod beside one that may start yet"
        await world.cluster.finish_deletion(NAMESPACE, first)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"], within_s=5)
    assert world.told("relaunched") == ["the image stayed missing"]
    assert set(world.cluster.most_alive.values()) == {1}
    assert not world.outcomes


async def test_replacing_ends_with_the_relaunch_limit(world):
    world.judge = after(10, "relaunch")
    async with world.running() as engine:
        launch = a_launch()
        world.row(launch, "queued")
        engine.submit(launch)
        await world.outcome()
        await world.eventually(lambda: not world.cluster.names())
    assert world.verdicts() == [Verdict.FAILED]
    assert world.outcomes[0].reason == "the image stayed missing"
    assert world.cluster.count("create") == 4, "the first pod and three more"


async def test_a_hopeless_pod_fails_its_task_and_goes_even_if_failed_pods_are_kept(world):
    world.judge = after(60, "fail")
    async with world.running() as engine:
        await queued_launch(world, engine)
        assert (await world.outcome()).verdict is Verdict.FAILED
        await world.eventually(lambda: not world.cluster.names())
    assert world.cluster.count("create") == 1


async def test_a_task_that_moved_on_is_not_failed_for_its_pending_pod(world):
    world.judge = after(60, "fail")
    async with world.running() as engine:
        launch, _ = await queued_launch(world, engine)
        world.row(launch, "skipped")
        assert (await world.outcome()).verdict is Verdict.DROP
        await world.eventually(lambda: not world.cluster.names())


async def test_a_replaced_pod_that_starts_after_all_decides_by_its_row(world):
    world.judge = after(30, "relaunch")
    world.cluster.deletes_slowly = True
    async with world.running() as engine:
        launch, first = await queued_launch(world, engine)
        await world.eventually(lambda: world.cluster.count("delete") == 1)
        world.row(launch, "success")
        await world.end(first)
        assert (await world.outcome()).verdict is Verdict.SUCCESS
    assert world.cluster.count("create") == 1


async def test_a_replaced_pod_on_a_lost_node_fails_the_task_in_the_end(world):
    world.judge = after(30, "relaunch")
    world.cluster.deletes_slowly = True
    async with world.running() as engine:
        await queued_launch(world, engine)
        await asyncio.sleep(GONE_WITHIN_S + 60)
    assert world.verdicts() == [Verdict.FAILED]
    assert "its node may be lost" in world.outcomes[0].reason
    assert world.cluster.count("create") == 1


async def test_an_adopted_launch_whose_pod_is_replaced_is_queued_again_by_the_scheduler(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.created(launch)
    world.judge = after(30, "relaunch")
    async with world.running() as engine:
        await engine.adopt([Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id)])
        await world.cluster.set_status(NAMESPACE, name, NO_IMAGE)
        assert (await world.outcome()).verdict is Verdict.REQUEUE
        await world.eventually(lambda: not world.cluster.names())


async def test_a_judge_may_read_events_first(world):
    async def slow_judge(pod, pending_for_s):
        await asyncio.sleep(2)
        return PendingVerdict(action="fail", kind="image", sentence="events say so")

    world.judge = slow_judge
    async with world.running() as engine:
        await queued_launch(world, engine)
        assert (await world.outcome()).reason == "events say so"


async def test_a_verdict_on_a_pod_that_started_meanwhile_is_void(world):
    started = asyncio.Event()

    async def slow_judge(pod, pending_for_s):
        started.set()
        await asyncio.sleep(2)
        return PendingVerdict(action="fail", sentence="too late")

    world.judge = slow_judge
    async with world.running() as engine:
        _, name = await queued_launch(world, engine)
        await started.wait()
        await world.cluster.set_status(NAMESPACE, name, base_running())
        await asyncio.sleep(60)
    assert not world.outcomes


@pytest.mark.parametrize("broken", [1, 2])
async def test_a_judge_that_raises_costs_no_other_launch_its_verdict(world, broken):
    def judge(pod, pending_for_s):
        if pod.metadata.name == names[broken - 1]:
            raise RuntimeError("surprise")
        return PendingVerdict(action="fail", sentence="judged")

    world.judge = judge
    async with world.running() as engine:
        names = [(await queued_launch(world, engine))[1] for _ in range(2)]
        await world.outcome()
        await asyncio.sleep(60)
    assert [outcome.reason for outcome in world.outcomes] == ["judged"]
