"""Claimed pods that do not fetch their workload, and workloads for which none is claimed."""

import asyncio

import pytest

from tradewind.client.endpoint import Answer
from tradewind.dispatch.endpoint import Endpoint
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, a_task

URL = "http://api/tradewind/v1/board"
BOARDING = {"delivery": "boarding", "boarding_timeout": "30"}
UP = Answer(status=401, content_type="application/json", server_time_s=1.0)
DOWN = Answer(text="refused")


@pytest.fixture
def api(schedulers):
    """Return the API server as the endpoint's probe sees it."""

    class Api:
        answer = UP

        async def ask(self, _):
            return self.answer

    found = Api()
    schedulers.endpoint = Endpoint(URL, ask=found.ask, clock=schedulers.clock)
    return found


async def claimed(schedulers, engine):
    """Return a launch that is queued, and the idle pod that was claimed for it."""
    await schedulers.filled(2)
    launch = a_launch()
    schedulers.row(launch, "queued")
    engine.submit(launch)
    warm = await schedulers.pod_of(launch)
    assert schedulers.is_warm(launch)
    return launch, warm


async def test_a_claimed_pod_that_stays_silent_is_given_up_and_its_launch_goes_cold(
    schedulers, api
):
    schedulers.want(default=2)
    async with schedulers.running(**BOARDING) as engine:
        launch, warm = await claimed(schedulers, engine)
        await asyncio.sleep(25)
        assert "tradewind/overdue" not in schedulers.labels(warm)
        await schedulers.eventually(lambda: "tradewind/overdue" in schedulers.labels(warm))
        await schedulers.filled(2)
        pods = set()
        while warm in schedulers.cluster.names():
            pods |= set(schedulers.pods_of(launch))
            await asyncio.sleep(1)
        assert pods == {warm}
        cold = await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        assert schedulers.labels(cold)["tradewind/ordinal"] == "1"
        assert not schedulers.outcomes
        await schedulers.finish(launch)
        await schedulers.eventually(lambda: schedulers.outcomes)
    assert schedulers.outcomes[0].verdict is Verdict.SUCCESS
    (sentence,) = (said for kind, said in schedulers.events if kind == "relaunched")
    assert "its worker has not fetched its task 30 s after it began" in sentence


async def test_a_claimed_pod_is_left_alone_when_its_task_begins_late(schedulers, api):
    schedulers.want(default=2)
    async with schedulers.running(**BOARDING) as engine:
        launch, warm = await claimed(schedulers, engine)
        await schedulers.eventually(lambda: "tradewind/overdue" in schedulers.labels(warm))
        await asyncio.sleep(50)
        schedulers.row(launch, "running")
        await asyncio.sleep(600)
        assert schedulers.pods_of(launch) == [warm]


async def test_an_idle_pods_age_does_not_count(schedulers, api):
    schedulers.want(default=2)
    async with schedulers.running(**BOARDING) as engine:
        await schedulers.filled(2)
        await asyncio.sleep(600)
        _, warm = await claimed(schedulers, engine)
        await asyncio.sleep(25)
        assert "tradewind/overdue" not in schedulers.labels(warm)


async def test_while_the_endpoint_is_down_no_claimed_pod_is_to_blame(schedulers, api):
    schedulers.want(default=2)
    async with schedulers.running(**BOARDING) as engine:
        launch, warm = await claimed(schedulers, engine)
        api.answer = DOWN
        await asyncio.sleep(120)
        api.answer = UP
        await asyncio.sleep(20)
        schedulers.row(launch, "running")
        await asyncio.sleep(600)
        assert schedulers.pods_of(launch) == [warm]


async def test_a_silent_pod_whose_scheduler_died_is_given_up_by_the_next(schedulers, api):
    schedulers.want(default=2)
    async with schedulers.running(number=1, **BOARDING) as dead:
        launch, warm = await claimed(schedulers, dead)
    async with schedulers.running(number=2, **BOARDING) as heir:
        orphan = Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id, task=launch.task)
        assert await heir.adopt([orphan]) == []
        await schedulers.eventually(lambda: schedulers.outcomes)
        assert schedulers.outcomes[-1].verdict is Verdict.REQUEUE
        await schedulers.eventually(lambda: warm not in schedulers.cluster.names())


@pytest.mark.parametrize("kind", ["callback", "connection-test"])
async def test_what_has_no_task_instance_starts_cold_and_is_no_miss(schedulers, kind):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        idle = await schedulers.filled(1)
        launch = a_launch(task=a_task(kind=kind), reports_itself=False)
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        assert schedulers.idle() == idle
        assert schedulers.misses() == {}
