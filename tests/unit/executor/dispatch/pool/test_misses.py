"""A launch that starts cold beside warm pools says why: in its measurement and in the metric."""

import json

import pytest

from tradewind.client.errors import ApiError
from tradewind.contract import Farewell, Measured
from tradewind.testing.builders import a_launch, base_ended

NAMESPACE = "default"
CONFLICT = ApiError(409, reason="Conflict")
FORBIDDEN = ApiError(403, reason="Forbidden", message="may not patch")
OTHER_SHAPE = {"choice": {"resources": {"requests": {"cpu": "2"}}}}


async def measured(schedulers, launch):
    """Let the launch's pod end after its task, and return what is told of it."""
    schedulers.row(launch, "success")
    status = base_ended(message=Farewell(ended="ran").encode())
    await schedulers.cluster.set_status(NAMESPACE, schedulers.pods_of(launch)[-1], status)
    await schedulers.eventually(lambda: rows(schedulers))
    return json.loads(rows(schedulers)[-1])


def rows(schedulers):
    return [text for kind, text in schedulers.events if kind == "measured"]


@pytest.mark.parametrize(
    ("changed", "errors", "reason"),
    [
        pytest.param(OTHER_SHAPE, [], "no_pool", id="no-pool-has-its-shape"),
        pytest.param({}, [CONFLICT] * 4, "lost", id="others-were-first"),
        pytest.param({}, [FORBIDDEN], "refused", id="claims-are-forbidden"),
    ],
)
async def test_a_measured_launch_says_why_it_was_cold(schedulers, changed, errors, reason):
    schedulers.want(default=5)
    async with schedulers.running() as engine:
        await schedulers.filled(5)
        for error in errors:
            schedulers.cluster.fail("patch", error)
        launch = a_launch(**changed)
        engine.submit(launch)
        await schedulers.pod_of(launch)
        told = await measured(schedulers, launch)
    assert (told["temperature"], told["miss"]) == ("cold", reason)
    assert schedulers.misses() == {reason: 1}


async def test_without_an_idle_pod_the_measurement_says_so_too(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        first, second = a_launch(), a_launch()
        for launch in (first, second):
            engine.submit(launch)
            await schedulers.pod_of(launch)
        assert (await measured(schedulers, second))["miss"] == "empty"


async def test_a_warm_launch_and_one_without_pools_missed_nothing(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        warm = await measured(schedulers, launch)
    async with schedulers.running(pools=False) as engine:
        schedulers.events.clear()
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        cold = await measured(schedulers, launch)
    assert [one["temperature"] for one in (warm, cold)] == ["warm", "cold"]
    assert "miss" not in warm | cold


async def test_the_replacement_of_a_pod_that_died_missed_nothing(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        launch = a_launch(**OTHER_SHAPE)
        engine.submit(launch)
        name = await schedulers.pod_of(launch)
        schedulers.row(launch, "queued")
        evicted = {"phase": "Failed", "reason": "Evicted"}
        await schedulers.cluster.set_status(NAMESPACE, name, evicted)
        await schedulers.eventually(lambda: f"{name}-r1" in schedulers.pods_of(launch))
        assert "miss" not in await measured(schedulers, launch)


def test_what_is_told_can_be_read_again():
    told = Measured(pod="p", temperature="cold", miss="empty")
    assert Measured.decode(told.encode()) == told
    assert "miss" not in Measured(pod="p", temperature="cold").encode()
