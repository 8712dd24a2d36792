"""What the dispatcher tells the metrics and whoever reads a failed task."""

import pytest

from tradewind import metrics
from tradewind.client.errors import ApiError
from tradewind.dispatch.settle import TaskFacts, explains_failure
from tradewind.pods.causes import Cause, Kind
from tradewind.testing.builders import a_launch, base_ended
from tradewind.testing.recorded_metrics import RecordedMetrics


@pytest.fixture
def measured(world):
    world.measured = RecordedMetrics()
    return world.measured


async def test_a_healthy_launch_is_measured_step_by_step(world, measured):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        world.row(launch, "success")
        await world.cluster.set_status("default", name, base_ended())
        await world.outcome()
        await world.eventually(lambda: measured.total(metrics.PODS_DELETED, namespace="default"))
    assert measured.total(metrics.LAUNCHES) == 1
    assert measured.total(metrics.PODS_CREATED, namespace="default") == 1
    assert measured.total(metrics.PODS_DELETED, namespace="default") == 1
    assert measured.total(metrics.ENDS, cause="completed") == 1
    assert len(list(measured.series[metrics.QUEUED_TO_POSTED])) == 1


async def test_a_replaced_pod_is_counted_by_its_cause(world, measured):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        world.row(launch, "queued")
        evicted = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
        await world.cluster.set_status("default", name, evicted)
        await world.eventually(lambda: measured.total(metrics.RELAUNCHES, cause="evicted"))
    assert measured.total(metrics.RELAUNCHES, cause="evicted") == 1
    assert measured.total(metrics.ENDS, cause="evicted") == 1


async def test_a_failed_create_is_counted_by_its_kind(world, measured):
    world.cluster.fail("create", ApiError(429, reason="TooManyRequests", message="slow down"))
    async with world.running() as engine:
        engine.submit(a_launch())
        await world.pod()
    assert measured.total(metrics.RETRIES, kind="throttled") == 1


async def test_a_kill_for_memory_is_told_though_the_worker_failed_the_task(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        world.row(launch, "failed")
        await world.cluster.set_status("default", name, base_ended(0, reason="OOMKilled"))
        await world.outcome()
    kinds = {kind: sentence for kind, _, sentence in world.events}
    assert "OOMKilled" in kinds["explained"]


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        ("failed", Kind.OOM_KILLED, True),
        ("up_for_retry", Kind.EVICTED, True),
        ("failed", Kind.NO_RESULT, False),
        ("failed", Kind.EXIT_CODE, False),
        ("success", Kind.OOM_KILLED, False),
        ("deferred", Kind.NODE_LOST, False),
    ],
)
def test_only_what_the_tasks_own_log_cannot_say_is_news(state, kind, expected):
    facts = TaskFacts(state=state, launch_id=None)
    assert explains_failure(facts, Cause(kind, "it ended")) is expected


def test_without_a_row_there_is_nobody_to_tell():
    assert not explains_failure(None, Cause(Kind.OOM_KILLED, "it ended"))
