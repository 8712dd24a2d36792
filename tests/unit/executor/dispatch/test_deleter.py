"""One DELETE per pod, by uid, until it worked."""

import asyncio
import contextlib
import random

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.gates.breaker import Breaker
from tradewind.dispatch.stats import Counters
from tradewind.testing.builders import a_pod
from tradewind.testing.faulty_cluster import FaultyCluster


class Rig:
    def __init__(self, clock):
        self.cluster = FaultyCluster()
        self.counters = Counters()
        self.breaker = Breaker(rng=random.Random(1))
        self.deleter = Deleter(
            self.cluster,
            clock=clock,
            concurrency=2,
            breaker=self.breaker,
            counters=self.counters,
        )

    async def pod(self, name="a"):
        return await self.cluster.create_pod("tasks", {"metadata": {"name": name}, "spec": {}})


@pytest.fixture
async def rig(clock):
    rig = Rig(clock)
    task = asyncio.create_task(rig.deleter.run())
    yield rig
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_pod_asked_to_go_many_times_is_deleted_once(rig):
    rig.cluster.deletes_slowly = True
    pod = await rig.pod()
    assert rig.deleter.delete(pod)
    for _ in range(5):
        await asyncio.sleep(10)
        assert not rig.deleter.delete(pod)
    assert rig.cluster.count("delete") == 1
    assert rig.counters.deletes == 1


async def test_a_pod_on_its_way_out_is_left_alone(rig):
    assert not rig.deleter.delete(a_pod(deletionTimestamp="2026-01-01T00:00:00Z"))


async def test_a_pod_that_took_the_name_is_left_alone(rig):
    old = await rig.pod()
    await rig.cluster.vanish("tasks", "a")
    await rig.pod()
    rig.deleter.delete(old)
    await asyncio.sleep(600)
    assert rig.cluster.names() == ["a"]
    assert rig.cluster.count("delete") == 1


@pytest.mark.parametrize(
    "error",
    [
        ApiError(429, retry_after_s=3),
        ApiError(500),
        ApiError(403),
        ConnectionLostError("x"),
        OSError(),
    ],
    ids=["throttled", "server-error", "role-lost-for-a-while", "no-answer", "raw"],
)
async def test_an_error_is_repeated_until_it_works(rig, error):
    rig.cluster.fail("delete", error)
    rig.deleter.delete(await rig.pod())
    await asyncio.sleep(10)
    assert not rig.cluster.names()
    assert rig.cluster.count("delete") == 2


async def test_a_lost_answer_is_asked_again_and_404_ends_it(rig):
    rig.cluster.fail("delete", ConnectionLostError("reset"), takes_effect=True)
    rig.deleter.delete(await rig.pod())
    await asyncio.sleep(600)
    assert rig.cluster.count("delete") == 2


async def test_waits_are_bounded(rig):
    for _ in range(20):
        rig.cluster.fail("delete", ApiError(403))
    rig.deleter.delete(await rig.pod())
    await asyncio.sleep(20 * 31)
    assert not rig.cluster.names()


async def test_one_failing_pod_does_not_hold_up_the_others(rig):
    for _ in range(5):
        rig.cluster.fail("delete", ApiError(500))
    pods = [await rig.pod(name) for name in "abcdefg"]
    for pod in pods:
        rig.deleter.delete(pod)
    await asyncio.sleep(30)
    assert not rig.cluster.names()


async def test_while_the_server_is_down_it_is_probed_gently(rig):
    pods = [await rig.pod(str(number)) for number in range(50)]
    await rig.cluster.break_down()
    for pod in pods:
        rig.deleter.delete(pod)
    await asyncio.sleep(600)
    assert rig.cluster.count("delete") < 100
    rig.cluster.come_back()
    await asyncio.sleep(60)
    assert not rig.cluster.names()
