"""What our worker says at its end decides what becomes of its launch."""

import json
from uuid import UUID

import pytest

from tradewind import metrics
from tradewind.contract import EXIT_NOT_STARTED, Farewell, Measured
from tradewind.dispatch.settle import TaskFacts, Verdict, settle, settle_by_pod
from tradewind.pods.labels import CLAIMED_AT
from tradewind.testing.builders import a_launch, a_task, base_ended
from tradewind.testing.recorded_metrics import RecordedMetrics

NAMESPACE = "default"
BOARDING = {"delivery": "boarding", "boarding_url": "http://api/tradewind/v1/board"}
OURS, OTHER = UUID(int=1), UUID(int=2)
SUPERSEDED = Farewell(ended="superseded", reason="the task runs in another pod")
NOT_STARTED = Farewell(ended="not_started", reason="no answer for 300 s")


@pytest.mark.parametrize(
    ("state", "launch_id", "expected"),
    [
        pytest.param("success", OURS, Verdict.DROP, id="another-pods-success"),
        pytest.param("running", OURS, Verdict.DROP, id="runs-in-another-pod"),
        pytest.param("queued", OURS, Verdict.RELAUNCH, id="nobody-elses-after-all"),
        pytest.param("restarting", OURS, Verdict.SUCCESS, id="scheduler-waits-for-the-event"),
        pytest.param("failed", OURS, Verdict.DROP, id="marked-as-failed"),
        pytest.param(None, OURS, Verdict.DROP, id="cleared"),
        pytest.param("queued", OTHER, Verdict.DROP, id="queued-again"),
        pytest.param("running", OTHER, Verdict.DROP, id="runs-under-a-newer-launch"),
    ],
)
def test_a_superseded_pod_says_nothing_of_a_task_that_is_somebody_elses(state, launch_id, expected):
    facts = TaskFacts(state=state, launch_id=launch_id)
    verdict = settle(
        facts, launch_id=OURS, relaunches_left=3, can_relaunch=True, farewell="superseded"
    )
    assert verdict is expected


@pytest.mark.parametrize(
    ("state", "expected"), [("queued", Verdict.RELAUNCH), ("running", Verdict.FAILED)]
)
def test_a_worker_that_could_not_start_its_task(state, expected):
    # `running` without a worker: the start arrived and its answer did not.
    facts = TaskFacts(state=state, launch_id=OURS)
    verdict = settle(
        facts, launch_id=OURS, relaunches_left=3, can_relaunch=True, farewell="not_started"
    )
    assert verdict is expected


@pytest.mark.parametrize(
    ("ended_well", "farewell", "left", "expected"),
    [
        pytest.param(True, "ran", 3, Verdict.SUCCESS, id="ran-well"),
        pytest.param(False, "ran", 3, Verdict.FAILED, id="failed-at-work"),
        pytest.param(True, "superseded", 3, Verdict.DROP, id="somebody-elses"),
        pytest.param(False, "not_started", 3, Verdict.RELAUNCH, id="could-not-start"),
        pytest.param(True, "not_started", 3, Verdict.RELAUNCH, id="stopped-before-it-started"),
        pytest.param(False, "not_started", 0, Verdict.FAILED, id="could-not-start-too-often"),
    ],
)
def test_the_end_of_a_workload_without_a_task_instance(ended_well, farewell, left, expected):
    verdict = settle_by_pod(
        ended_well=ended_well, has_started=True, relaunches_left=left, farewell=farewell
    )
    assert verdict is expected


async def end(world, name, farewell, exit_code=0, **terminated):
    message = farewell.encode() if isinstance(farewell, Farewell) else farewell
    status = base_ended(exit_code, message=message, **terminated)
    await world.cluster.set_status(NAMESPACE, name, status)


async def test_a_superseded_pod_ends_without_an_event_and_goes(world):
    launch = a_launch()
    world.row(launch, "running", launch_id=OTHER)
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        await end(world, await world.created(launch), SUPERSEDED)
        outcome = await world.outcome()
        await world.eventually(lambda: not world.cluster.names())
    assert world.verdicts() == [Verdict.DROP]
    assert "the task runs in another pod" in outcome.reason
    assert "{" not in outcome.reason


@pytest.mark.parametrize("said", [NOT_STARTED, "the termination file was not writable"])
async def test_a_worker_that_could_not_start_is_replaced_at_no_retry(world, said):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING, delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        first = await world.created(launch)
        await end(world, first, said, exit_code=EXIT_NOT_STARTED)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"])
        assert not world.outcomes
        world.row(launch, "success")
        await end(world, f"{first}-r1", Farewell(ended="ran"))
        assert (await world.outcome()).verdict is Verdict.SUCCESS
    (sentence,) = world.told("relaunched")
    assert "its worker ended before the task began" in sentence
    assert "{" not in sentence


async def test_exit_code_75_of_a_pod_that_does_not_board_is_its_own(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        await end(world, await world.created(launch), "", exit_code=EXIT_NOT_STARTED)
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "exit code 75" in outcome.reason


async def test_a_worker_that_never_gets_through_fails_the_task_in_the_end(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING, relaunch_limit="1") as engine:
        engine.submit(launch)
        for number in range(2):
            await world.eventually(lambda n=number: len(world.names_of(launch)) == n + 1)
            await end(world, world.names_of(launch)[-1], NOT_STARTED, exit_code=EXIT_NOT_STARTED)
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "no answer for 300 s" in outcome.reason
    assert "airflow tradewind doctor" in outcome.reason


async def test_a_callback_whose_worker_could_not_start_runs_in_another_pod(world):
    launch = a_launch(task=a_task(kind="callback"), reports_itself=False)
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        first = await world.created(launch)
        await end(world, first, NOT_STARTED, exit_code=EXIT_NOT_STARTED)
        await world.eventually(lambda: f"{first}-r1" in world.names_of(launch))
        await end(world, f"{first}-r1", Farewell(ended="ran"))
        await world.eventually(lambda: Verdict.SUCCESS in world.verdicts())


# -- where the time went --------------------------------------------------------------------------

QUEUED_S = 1_700_000_000.0
RAN = Farewell(
    ended="ran",
    delivered_s=QUEUED_S + 2.0,
    run_s=QUEUED_S + 2.1,
    user_code_s=QUEUED_S + 2.25,
    peak_memory_bytes=2**28,
    cpu_s=1.5,
)


@pytest.fixture
def launched(world):
    """Return a coroutine that runs one launch to its end, and returns its pod's name."""
    world.measured = RecordedMetrics()

    async def run(farewell, *, state="success", queued_s=QUEUED_S, launch=None, **terminated):
        launch = launch or a_launch()
        facts = TaskFacts(state=state, launch_id=launch.launch_id, queued_s=queued_s)
        world.rows[launch.row_id] = facts
        async with world.running(**BOARDING) as engine:
            engine.submit(launch)
            name = await world.created(launch)
            pod = world.cluster.raw(NAMESPACE, name)
            pod["metadata"]["annotations"][CLAIMED_AT] = f"{QUEUED_S + 0.015:.3f}"
            await end(world, name, farewell, **terminated)
            await world.outcome()
        return name

    return run


def measured(world):
    return [Measured.decode(text) for text in world.told("measured")]


@pytest.mark.parametrize("state", ["success", "failed", "up_for_retry", "deferred"])
async def test_a_launch_that_ran_tells_where_its_time_went(world, launched, state):
    name = await launched(RAN, state=state)
    (told,) = measured(world)
    assert told == Measured(
        pod=name,
        temperature="cold",
        claimed_ms=15,
        delivered_ms=2000,
        run_ms=2100,
        user_code_ms=2250,
        peak_memory_bytes=2**28,
        cpu_s=1.5,
    )
    assert list(world.measured.series[metrics.LAUNCH_LATENCY]) == [pytest.approx(2.1)]


@pytest.mark.parametrize("farewell", [SUPERSEDED, NOT_STARTED, "", "killed by hand", "[1]"])
async def test_a_launch_that_did_not_run_or_says_nothing_is_not_measured(world, launched, farewell):
    await launched(farewell)
    assert not measured(world)


async def test_a_container_killed_for_memory_is_noted_without_a_farewell(world, launched):
    await launched("", state="failed", exit_code=137, reason="OOMKilled")
    (told,) = measured(world)
    assert told.killed_for_memory
    assert told.run_ms is None


async def test_times_are_left_out_when_the_task_was_queued_anew_meanwhile(world, launched):
    launch = a_launch()
    world.read = lambda _: {
        launch.row_id: TaskFacts(state="queued", launch_id=OTHER, queued_s=QUEUED_S + 60)
    }
    await launched(RAN, launch=launch)
    (told,) = measured(world)
    assert told.run_ms is None
    assert told.peak_memory_bytes == 2**28


async def test_only_the_pod_that_ran_the_task_is_measured(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(**BOARDING) as engine:
        engine.submit(launch)
        first = await world.created(launch)
        await end(world, first, NOT_STARTED, exit_code=EXIT_NOT_STARTED)
        await world.eventually(lambda: f"{first}-r1" in world.names_of(launch))
        world.row(launch, "success")
        await end(world, f"{first}-r1", RAN)
        await world.outcome()
    assert [json.loads(text)["pod"] for text in world.told("measured")] == [f"{first}-r1"]
