"""What the watch never told: pods that vanished, blind adoptions, pods without a launch."""

import asyncio
import uuid

import pytest

from tradewind.client.errors import ApiError
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.settle import TaskFacts, Verdict
from tradewind.dispatch.strays import ended_at_s, is_done_with
from tradewind.testing.builders import a_launch, a_pod, base_ended, base_running

NAMESPACE = "default"
OURS, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)
DAY_S = 86400


def orphan_of(launch):
    return Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id, task=launch.task)


async def left_by_a_killed_scheduler(world, status=None):
    """Return a launch and the name of its pod, which no engine follows."""
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.created(launch)
    if status is not None:
        await world.cluster.set_status(NAMESPACE, name, status)
    return launch, name


# -- launches without a pod ----------------------------------------------------------------------


async def test_a_pod_the_watch_never_showed_is_asked_for_and_found_gone(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        await asyncio.sleep(1)
        world.cluster.is_blind = True
        engine.submit(launch)
        name = await world.created(launch)
        world.cluster.vanish_silently(NAMESPACE, name)
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "is gone" in outcome.reason


async def test_a_pod_the_watch_never_showed_is_followed_when_it_is_there(world):
    launch = a_launch()
    world.row(launch, "success")
    async with world.running() as engine:
        await asyncio.sleep(1)
        engine.submit(launch)
        world.cluster.is_blind = True
        name = await world.created(launch)
        world.cluster.raw(NAMESPACE, name)["status"] = base_ended(0)
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.SUCCESS


async def test_a_failing_look_up_proves_nothing(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        await asyncio.sleep(1)
        engine.submit(launch)
        world.cluster.is_blind = True
        await world.created(launch)
        for _ in range(2):
            world.cluster.fail("get", ApiError(500))
        await asyncio.sleep(150)
        assert not world.outcomes


# -- adopted on trust ----------------------------------------------------------------------------


async def adopt_blindly(world, engine, launch):
    assert await engine.adopt([orphan_of(launch)]) == []
    assert engine.stats().trusted == 1


async def test_a_trusted_launch_is_followed_once_its_pod_is_found(world):
    launch, name = await left_by_a_killed_scheduler(world)
    await world.cluster.break_down()
    async with world.running() as engine:
        await adopt_blindly(world, engine, launch)
        world.cluster.come_back()
        await world.eventually(lambda: engine.stats().trusted == 0)
        world.row(launch, "success")
        await world.end(name)
        assert (await world.outcome()).verdict is Verdict.SUCCESS
        await world.eventually(lambda: not world.cluster.names())


async def test_a_trusted_launch_follows_its_newest_pod_not_one_kept_for_inspection(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running() as engine:
        engine.submit(launch)
        first = await world.created(launch)
        await world.end(first, exit_code=1)
        await world.eventually(lambda: f"{first}-r1" in world.cluster.names())
    world.row(launch, "running")
    await world.cluster.break_down()
    async with world.running() as engine:
        await adopt_blindly(world, engine, launch)
        world.cluster.come_back()
        await world.eventually(lambda: engine.stats().trusted == 0)
        await asyncio.sleep(300)
        assert not world.outcomes
        assert engine._dispatcher.ledger.get(launch.launch_id).pod.metadata.name == f"{first}-r1"


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        pytest.param("queued", Verdict.REQUEUE, id="never-began-so-no-retry-is-used"),
        pytest.param("running", Verdict.FAILED, id="began-and-its-pod-is-gone"),
        pytest.param("success", Verdict.SUCCESS, id="ended-meanwhile"),
        pytest.param("up_for_retry", Verdict.DROP, id="moved-on"),
    ],
)
async def test_a_trusted_launch_without_a_pod_is_settled_by_its_row(world, state, verdict):
    launch = a_launch()
    world.row(launch, state)
    await world.cluster.break_down()
    async with world.running() as engine:
        await adopt_blindly(world, engine, launch)
        await asyncio.sleep(600)
        assert not world.outcomes, "without an answer nothing is known"
        world.cluster.come_back()
        await asyncio.sleep(29)
        assert not world.outcomes, "one list that lacks the pod is no proof yet"
        assert (await world.outcome()).verdict is verdict


async def test_a_picture_that_is_behind_does_not_make_an_orphan_homeless(world):
    launch = a_launch()
    async with world.running() as heir:
        await asyncio.sleep(1)
        world.cluster.is_blind = True
        manifest = await world.renderer().render(launch, ordinal=0)
        await world.cluster.create_pod(NAMESPACE, manifest)
        assert await heir.adopt([orphan_of(launch)]) == []
        assert heir.stats().trusted == 0


async def test_an_orphan_is_trusted_when_its_absence_cannot_be_proven(world):
    launch = a_launch()
    async with world.running() as heir:
        await asyncio.sleep(1)
        world.cluster.fail("list", ApiError(500))
        assert await heir.adopt([orphan_of(launch)]) == []
        assert heir.stats().trusted == 1


# -- pods without a launch -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "done"),
    [
        pytest.param(None, False, id="no-row-proves-nothing"),
        pytest.param(TaskFacts(state="queued", launch_id=OURS), False, id="queued"),
        pytest.param(TaskFacts(state="running", launch_id=OURS), False, id="running"),
        pytest.param(TaskFacts(state="restarting", launch_id=OURS), False, id="restarting"),
        pytest.param(TaskFacts(state="success", launch_id=OURS), True, id="success"),
        pytest.param(TaskFacts(state="failed", launch_id=OURS), True, id="failed"),
        pytest.param(TaskFacts(state="deferred", launch_id=OURS), True, id="deferred"),
        pytest.param(TaskFacts(state="up_for_retry", launch_id=OURS), True, id="up-for-retry"),
        pytest.param(TaskFacts(state="running", launch_id=OTHER), True, id="superseded"),
        pytest.param(TaskFacts(state=None, launch_id=None), True, id="cleared"),
    ],
)
def test_what_proves_that_nobody_waits_for_a_pod(facts, done):
    pod = a_pod(labels={"tradewind/launch-id": str(OURS)})
    assert is_done_with(pod, facts) is done


@pytest.mark.parametrize(
    ("row", "status", "after_s", "left"),
    [
        pytest.param("success", base_ended(0), 200, False, id="done"),
        pytest.param("success", base_ended(0), 50, True, id="its-scheduler-may-be-at-it"),
        pytest.param("running", base_ended(0), 900, True, id="somebody-waits-for-its-end"),
        pytest.param(None, base_ended(0), 900, True, id="of-another-deployment"),
        pytest.param("failed", base_ended(1), 900, True, id="kept-for-inspection"),
        pytest.param("success", base_running(), 300, True, id="uploads-its-logs"),
        pytest.param("success", base_running(), 900, False, id="hangs"),
    ],
)
async def test_pods_a_killed_scheduler_left(world, row, status, after_s, left):
    launch, _ = await left_by_a_killed_scheduler(world, status)
    if row is not None:
        world.stray_rows[launch.launch_id] = TaskFacts(state=row, launch_id=launch.launch_id)
    async with world.running() as engine:
        await asyncio.sleep(after_s)
        assert bool(world.cluster.names()) is left
        assert engine.stats().strays_deleted == (0 if left else 1)
    assert not world.outcomes


async def test_a_failing_read_of_rows_deletes_nothing_and_stops_nothing(world):
    await left_by_a_killed_scheduler(world, base_ended(0))
    world.stray_rows = None
    async with world.running() as engine:
        await asyncio.sleep(600)
        assert world.cluster.names()
        assert engine.stats().strays_deleted == 0


# -- kept pods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            a_pod(status=base_ended(1, finishedAt="2026-01-01T00:01:40Z")), 1767225700.0, id="end"
        ),
        pytest.param(
            a_pod(status={"phase": "Failed"}, creationTimestamp="2026-01-01T00:00:00Z"),
            1767225600.0,
            id="evicted-before-it-started",
        ),
        pytest.param(a_pod(status={"phase": "Failed"}), None, id="unknown"),
        pytest.param(a_pod(creationTimestamp="yesterday"), None, id="odd"),
    ],
)
def test_when_a_pod_ended(pod, expected):
    assert ended_at_s(pod) == expected


@pytest.mark.parametrize(
    ("ttl", "after_s", "left"),
    [
        pytest.param("86400", DAY_S - 300, True, id="kept-for-a-day"),
        pytest.param("86400", DAY_S + 300, False, id="then-deleted"),
        pytest.param("0", 30 * DAY_S, True, id="zero-keeps-for-ever"),
    ],
)
async def test_kept_pods_expire_counted_from_their_own_end(world, ttl, after_s, left):
    ended = base_ended(1, finishedAt="2026-01-01T00:00:00Z")
    await left_by_a_killed_scheduler(world, ended)
    await asyncio.sleep(after_s)
    async with world.running(kept_pod_ttl=ttl):
        await asyncio.sleep(130)
        assert bool(world.cluster.names()) is left
