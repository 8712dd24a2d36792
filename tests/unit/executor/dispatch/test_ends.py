"""When a task's pod has ended: the base container decides, sidecars of either kind do not."""

import asyncio
import itertools

import pytest

from tradewind.client.errors import ConnectionLostError
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, base_ended, base_running

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"
LIVE = {"state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
DEAD = {"state": {"terminated": {"exitCode": 1}}}


def with_sidecar(status, sidecar, *, native, phase="Running"):
    """Return a pod's status with a second container, of which the pod's phase takes note."""
    where = "initContainerStatuses" if native else "containerStatuses"
    more = [{"name": "proxy", **sidecar}, *status.get(where, [])]
    return status | {"phase": phase, where: more}


@pytest.mark.parametrize("native", [False, True], ids=["classic", "native"])
@pytest.mark.parametrize(
    ("exit_code", "row", "verdict"),
    [(0, "success", Verdict.SUCCESS), (1, "running", Verdict.FAILED)],
    ids=["task-succeeded", "task-crashed"],
)
async def test_a_sidecar_that_outlives_the_task_does_not_keep_it_waiting(
    world, native, exit_code, row, verdict
):
    launch = a_launch()
    world.row(launch, row)
    async with world.running(delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        name = await world.created(launch)
        status = with_sidecar(base_ended(exit_code), LIVE, native=native)
        await world.cluster.set_status(NAMESPACE, name, status)
        assert (await world.outcome()).verdict is verdict
        await world.eventually(lambda: not world.cluster.names())
    assert world.cluster.count("delete") == 1


@pytest.mark.parametrize("native", [False, True], ids=["classic", "native"])
async def test_a_sidecar_that_dies_does_not_end_the_task(world, native):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.created(launch)
        status = with_sidecar(base_running(), DEAD, native=native)
        await world.cluster.set_status(NAMESPACE, name, status)
        await asyncio.sleep(600)
        assert not world.outcomes


async def test_exit_code_zero_without_a_result_fails_the_task(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        await world.end(await world.created(launch))
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "never reported a result" in outcome.reason


async def test_later_relaunches_wait_longer_so_that_short_outages_pass(world):
    launch = a_launch()
    world.row(launch, "queued")
    began_s = []
    async with world.running() as engine:
        engine.submit(launch)
        for number in range(1, 5):
            await world.eventually(lambda number=number: len(world.names_of(launch)) == number)
            began_s.append(world.clock.now_s())
            await world.end(world.names_of(launch)[-1], exit_code=1)
        assert (await world.outcome()).verdict is Verdict.FAILED
    waits = [later - sooner for sooner, later in itertools.pairwise(began_s)]
    assert waits[0] < 1
    assert 10 <= waits[1] < 12
    assert 20 <= waits[2] < 23


async def test_an_older_pod_of_the_launch_that_turns_up_late_goes(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        first = await world.created(launch)
        await world.end(first, exit_code=1)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"])
        late = await world.renderer().render(launch, ordinal=0)
        await world.cluster.create_pod(NAMESPACE, late)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"])
    assert not world.outcomes


async def test_a_pod_given_up_after_lost_answers_goes_as_soon_as_it_is_seen(world):
    launch = a_launch()
    async with world.running(launch_budget="5") as engine:
        await asyncio.sleep(1)
        world.cluster.is_blind = True
        world.cluster.fail("create", ConnectionLostError("reset"), takes_effect=True)
        for _ in range(20):
            world.cluster.fail("create", ConnectionLostError("reset"))
        engine.submit(launch)
        assert (await world.outcome()).verdict is Verdict.FAILED
        await world.eventually(lambda: not world.cluster.names())


@pytest.mark.parametrize("times", [1, 8])
async def test_rows_are_read_until_the_database_answers(world, times):
    launch = a_launch()
    world.row(launch, "success")
    failures = [RuntimeError("database is down")] * times
    good = world.read

    def flaky(row_ids):
        if failures:
            raise failures.pop()
        return good(row_ids)

    world.read = flaky
    async with world.running() as engine:
        engine.submit(launch)
        await world.end(await world.created(launch))
        assert (await world.outcome()).verdict is Verdict.SUCCESS


async def test_a_row_that_cannot_be_judged_costs_no_other_launch_its_outcome(world):
    first, second = a_launch(), a_launch()
    for launch in (first, second):
        world.row(launch, "success")
    async with world.running() as engine:
        emit = engine._dispatcher._emit

        def explode(outcome):
            if outcome.launch_id == first.launch_id:
                raise RuntimeError("surprise")
            emit(outcome)

        engine._dispatcher._emit = explode
        for launch in (first, second):
            engine.submit(launch)
        await world.pod(1)
        for name in world.cluster.names():
            await world.end(name)
        await world.outcome()
    assert [outcome.launch_id for outcome in world.outcomes] == [second.launch_id]
