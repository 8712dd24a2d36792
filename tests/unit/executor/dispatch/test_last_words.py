"""The log of a pod that fails its task is read before the pod goes, and never holds anything up."""

import asyncio

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.last_words import READERS, WITHIN_S
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import (
    a_launch,
    a_task,
    base_ended,
    base_running,
    base_waiting,
    condition,
)

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"
DELETING = {"delete_worker_pods_on_failure": "True"}


async def running(world, engine, row="running", **changed):
    launch = a_launch(**changed)
    world.row(launch, row)
    engine.submit(launch)
    name = await world.created(launch)
    await world.cluster.set_status(NAMESPACE, name, base_running())
    world.cluster.logs[name] = f"first of {name}\nlast of {name}"
    return launch, name


async def gone(world):
    await world.eventually(lambda: not world.cluster.names())


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(base_ended(137, reason="OOMKilled"), id="out-of-memory"),
        pytest.param(base_ended(3), id="exit-code"),
        pytest.param(
            base_ended(137) | condition("DisruptionTarget", "EvictionByEvictionAPI"), id="evicted"
        ),
    ],
)
async def test_a_failed_pods_last_lines_are_told_before_it_goes(world, status):
    async with world.running(**DELETING) as engine:
        launch, name = await running(world, engine)
        await world.cluster.set_status(NAMESPACE, name, status)
        await gone(world)
    assert world.told("log") == [f"first of {name}\nlast of {name}"]
    assert world.events[-1][1].launch_id == launch.launch_id
    verbs = [verb for verb, pod in world.cluster.calls if pod == name]
    assert verbs == ["create", "log", "delete"]


async def test_an_end_that_explains_what_the_worker_reported_is_told_too(world):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine, "failed")
        await world.cluster.set_status(NAMESPACE, name, base_ended(137, reason="OOMKilled"))
        await gone(world)
    assert len(world.told("log")) == 1


async def test_a_pod_that_is_kept_is_told_too_and_stays(world):
    async with world.running() as engine:
        _, name = await running(world, engine)
        await world.end(name, exit_code=1)
        await world.eventually(lambda: world.told("log"))
        await asyncio.sleep(100)
    assert world.cluster.names() == [name]


@pytest.mark.parametrize(
    ("row", "exit_code"),
    [
        pytest.param("success", 0, id="success"),
        pytest.param("failed", 0, id="failed-in-user-code"),
        pytest.param("up_for_retry", 1, id="has-told-its-own-failure"),
        pytest.param("deferred", 0, id="deferred"),
    ],
)
async def test_no_log_is_read_where_the_worker_has_told_its_result(world, row, exit_code):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine, row)
        await world.end(name, exit_code=exit_code)
        await gone(world)
    assert not world.told("log")
    assert world.cluster.count("log") == 0


async def test_no_log_is_read_of_a_pod_whose_containers_never_ran(world):
    world.judge = None
    launch = a_launch()
    world.row(launch, "running")
    async with world.running(**DELETING) as engine:
        engine.submit(launch)
        name = await world.created(launch)
        await world.cluster.set_status(NAMESPACE, name, base_waiting("x") | {"phase": "Failed"})
        await gone(world)
    assert world.cluster.count("log") == 0


async def test_a_callbacks_log_has_no_task_to_show_it(world):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine, task=a_task(kind="callback"), reports_itself=False)
        await world.end(name, exit_code=1)
        await gone(world)
    assert world.cluster.count("log") == 0


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ApiError(404, reason="NotFound", message="no such pod"), id="gone"),
        pytest.param(ApiError(403, message="may not read pods/log"), id="forbidden"),
        pytest.param(ConnectionLostError("timed out"), id="no-answer"),
        pytest.param(RuntimeError("a bug"), id="surprise"),
    ],
)
async def test_a_log_that_cannot_be_read_changes_nothing_else(world, error):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine)
        world.cluster.fail("log", error)
        await world.end(name, exit_code=1)
        assert (await world.outcome()).verdict is Verdict.FAILED
        await gone(world)
        _, name = await running(world, engine)
        await world.end(name, exit_code=1)
        await gone(world)
    assert world.told("log") == [f"first of {name}\nlast of {name}"]


async def test_a_kubelet_that_hangs_holds_up_only_the_deletions_and_only_so_long(world):
    world.cluster.log_takes_s = 1e9
    async with world.running(**DELETING) as engine:
        names = [(await running(world, engine))[1] for _ in range(10 * READERS)]
        began_s = world.clock.now_s()
        for name in names:
            await world.end(name, exit_code=1)
        await world.eventually(lambda: len(world.outcomes) == len(names))
        assert world.clock.now_s() - began_s < 2
        await gone(world)
        assert world.clock.now_s() - began_s < WITHIN_S + 5
        launch, name = await running(world, engine)
        world.row(launch, "success")
        await world.end(name)
        await gone(world)
    assert world.outcomes[-1].verdict is Verdict.SUCCESS


async def test_where_another_deletes_the_running_pod_its_log_is_read_in_time(world):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine)
        world.cluster.deletes_slowly = True
        uid = world.cluster.raw(NAMESPACE, name)["metadata"]["uid"]
        await world.cluster.delete_pod(NAMESPACE, name, uid=uid)
        await world.eventually(lambda: world.cluster.count("log") == 1)
        await world.cluster.finish_deletion(NAMESPACE, name)
        assert (await world.outcome()).verdict is Verdict.FAILED
        await world.eventually(lambda: world.told("log"))
    assert world.told("log") == [f"first of {name}\nlast of {name}"]


async def test_what_a_deleted_pod_wrote_while_it_ended_is_not_lost(world):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine)
        world.cluster.deletes_slowly = True
        uid = world.cluster.raw(NAMESPACE, name)["metadata"]["uid"]
        await world.cluster.delete_pod(NAMESPACE, name, uid=uid)
        await world.eventually(lambda: world.cluster.count("log") == 1)
        world.cluster.logs[name] = "terminated by SIGTERM"
        await world.end(name, exit_code=143)
        await world.eventually(lambda: world.told("log"))
    assert world.told("log") == ["terminated by SIGTERM"]


async def test_a_log_without_a_line_is_not_told(world):
    async with world.running(**DELETING) as engine:
        _, name = await running(world, engine)
        world.cluster.logs[name] = ""
        await world.end(name, exit_code=1)
        await gone(world)
    assert not world.told("log")
