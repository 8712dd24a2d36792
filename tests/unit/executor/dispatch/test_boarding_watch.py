"""Pods that run and do not fetch their workload."""

import asyncio
import logging

import pytest

from tradewind.client.endpoint import Answer
from tradewind.dispatch.endpoint import Endpoint
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, a_task, base_running, base_waiting

NAMESPACE = "default"
URL = "http://api/tradewind/v1/board"
BOARDING = {"delivery": "boarding", "boarding_url": URL, "boarding_timeout": "30"}
UP = Answer(status=401, content_type="application/json", server_time_s=1.0)
DOWN = Answer(text="refused")
UI = Answer(status=200, content_type="text/html")


@pytest.fixture
def api(world):
    """Return the API server as the endpoint's probe sees it."""

    class Api:
        answer = UP
        asked = 0

        async def ask(self, _):
            self.asked += 1
            return self.answer

    found = Api()
    world.endpoint = Endpoint(URL, ask=found.ask, clock=world.clock)
    return found


async def runs(world, launch):
    name = await world.created(launch)
    await world.cluster.set_status(NAMESPACE, name, base_running())
    return name


async def test_a_pod_that_does_not_board_is_replaced_at_no_retry(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        first = await runs(world, launch)
        await asyncio.sleep(25)
        assert world.names_of(launch) == [first]
        await world.eventually(lambda: world.names_of(launch) == [f"{first}-r1"])
        world.row(launch, "success")
        await world.end(f"{first}-r1")
        assert (await world.outcome()).verdict is Verdict.SUCCESS
    (sentence,) = world.told("relaunched")
    assert "its worker has not fetched its task 30 s after it began" in sentence


async def test_pods_that_start_together_get_more_time_than_one_alone(world, api):
    launches = [a_launch(task=a_task(map_index=number)) for number in range(10)]
    async with world.running(**BOARDING, max_starting_pods="10") as engine:
        for launch in launches:
            world.row(launch, "queued")
            engine.submit(launch)
        names = [await runs(world, launch) for launch in launches]
        await asyncio.sleep(100)
        assert not any("tradewind/overdue" in labels_of(world, name) for name in names)
        for launch in launches[1:]:
            world.row(launch, "running")
        await asyncio.sleep(10)
        overdue = ["tradewind/overdue" in labels_of(world, name) for name in names]
        assert overdue == [True] + [False] * 9


def labels_of(world, name):
    return world.cluster.raw(NAMESPACE, name)["metadata"]["labels"]


async def test_a_slow_pod_that_has_its_workload_is_not_killed_while_the_task_begins(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        await world.eventually(lambda: "tradewind/overdue" in labels_of(world, name))
        await asyncio.sleep(50)
        world.row(launch, "running")
        await asyncio.sleep(600)
        assert world.names_of(launch) == [name]
    assert not world.told("relaunched")


@pytest.mark.parametrize("state", ["running", "success", "failed", "deferred"])
async def test_one_look_at_the_row_suffices_for_a_pod_that_boarded(world, api, state):
    launch = a_launch()
    world.row(launch, state)
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        await asyncio.sleep(3600)
        assert world.names_of(launch) == [name]
    assert world.reads == 1
    assert api.asked == 1  # At the start: it was never due to be looked for.


async def test_a_pod_whose_task_was_queued_under_another_launch_is_left_to_its_own_end(world, api):
    launch = a_launch()
    world.row(launch, "queued", launch_id=a_launch().launch_id)
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        await asyncio.sleep(600)
        assert world.names_of(launch) == [name]


async def test_while_the_api_server_is_down_no_pod_is_to_blame(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        api.answer = DOWN
        await asyncio.sleep(120)
        api.answer = UP
        await asyncio.sleep(20)
        assert world.names_of(launch) == [name]
        world.row(launch, "running")
        await asyncio.sleep(120)
        assert world.names_of(launch) == [name]
    assert not world.told("relaunched")


async def test_without_the_plugin_the_task_fails_with_what_answers_instead(world, api):
    api.answer = UI
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING, relaunch_limit="1") as engine:
        engine.submit(launch)
        await runs(world, launch)
        await world.eventually(lambda: world.names_of(launch)[-1:] and _second(world, launch))
        await runs(world, launch)
        outcome = await world.outcome()
        await world.eventually(lambda: not world.cluster.names())
    assert outcome.verdict is Verdict.FAILED
    assert "a web page answers, so the API server did not load the plugin" in outcome.reason
    assert "airflow tradewind doctor" in outcome.reason


def _second(world, launch):
    return world.names_of(launch)[-1].endswith("-r1")


async def test_an_adopted_launch_is_left_to_the_scheduler_to_queue_again(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    pod = await world.renderer(**BOARDING).render(launch, ordinal=0)
    await world.cluster.create_pod(NAMESPACE, pod)
    await world.cluster.set_status(NAMESPACE, pod["metadata"]["name"], base_running())
    async with world.running(**BOARDING) as engine:
        await asyncio.sleep(1)
        orphan = Orphan(
            key="key", launch_id=launch.launch_id, row_id=launch.row_id, task=launch.task
        )
        assert await engine.adopt([orphan]) == []
        assert (await world.outcome()).verdict is Verdict.REQUEUE
        await world.eventually(lambda: not world.cluster.names())


@pytest.mark.parametrize(
    ("options", "launch"),
    [
        pytest.param({}, {}, id="workload-in-its-arguments"),
        pytest.param(
            BOARDING, {"task": a_task(kind="callback"), "reports_itself": False}, id="callback"
        ),
    ],
)
async def test_pods_whose_row_cannot_tell_are_left_alone(world, api, options, launch):
    launch = a_launch(**launch)
    world.row(launch, "queued")
    async with world.running(**options) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        await asyncio.sleep(100)
        read = world.reads
        await asyncio.sleep(600)
        assert world.names_of(launch) == [name]
    assert world.reads == read, "only whether it still starts is looked for, and not for ever"


async def test_the_wait_counts_from_the_containers_start(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await world.created(launch)
        status = base_waiting("ContainerCreating")
        await world.cluster.set_status(NAMESPACE, name, status)
        await asyncio.sleep(300)
        await runs(world, launch)
        await asyncio.sleep(25)
        assert world.names_of(launch) == [name]
        await world.eventually(lambda: _second(world, launch))


async def test_a_database_that_does_not_answer_costs_no_pod(world, api, caplog):
    launch = a_launch()
    world.row(launch, "queued")
    good, world.read = world.read, _raise
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        name = await runs(world, launch)
        await asyncio.sleep(120)
        assert world.names_of(launch) == [name]
        world.read = good
        await world.eventually(lambda: _second(world, launch))
    assert [r for r in caplog.records if r.levelno == logging.ERROR]


def _raise(_):
    raise RuntimeError("the database is down")


async def test_a_launch_revoked_while_its_row_was_read_is_not_replaced(world, api):
    launch = a_launch()
    world.row(launch, "queued")
    good = world.read
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        await runs(world, launch)

        def read_and_revoke(row_ids):
            engine.revoke(launch.launch_id)
            return good(row_ids)

        world.read = read_and_revoke
        await world.eventually(lambda: not world.cluster.names())
        await asyncio.sleep(60)
        assert not world.cluster.names()
    assert not world.told("relaunched")
