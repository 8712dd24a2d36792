import asyncio
import uuid

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.settle import Verdict
from tradewind.errors import ConfigError
from tradewind.testing.builders import (
    a_launch,
    a_task,
    base_running,
)

pytestmark = pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True)

NAMESPACE = "default"
TOO_BIG = ApiError(
    403, message="exceeded quota: tasks, requested: cpu=8, used: cpu=5, limited: cpu=10"
)


async def test_a_launch_becomes_one_pod_one_outcome_and_one_delete(world):
    launch = a_launch()
    world.row(launch, "success")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await world.cluster.set_status(NAMESPACE, name, base_running())
        await world.end(name)
        outcome = await world.outcome()
        await world.eventually(lambda: not world.cluster.names())
    assert outcome.verdict is Verdict.SUCCESS
    assert outcome.launch_id == launch.launch_id
    assert world.cluster.count("create") == 1
    assert world.cluster.count("delete") == 1
    assert len(world.outcomes) == 1


async def test_a_launch_submitted_twice_has_one_pod(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        engine.submit(launch)
        await world.pod()
        await asyncio.sleep(0.05)
    assert world.cluster.count("create") == 1


async def test_a_lost_answer_makes_no_second_pod(world):
    world.cluster.fail("create", ConnectionLostError("timed out"), takes_effect=True)
    launch = a_launch()
    world.row(launch, "success")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await asyncio.sleep(0.7)
        assert world.cluster.names() == [name]
        await world.end(name)
        assert (await world.outcome()).verdict is Verdict.SUCCESS


@pytest.mark.parametrize(
    "labels", [{}, {"tradewind/launch-id": str(uuid.UUID(int=9))}], ids=["stranger", "other-launch"]
)
async def test_a_foreign_pod_of_that_name_is_left_alone(world, labels):
    launch = a_launch()
    manifest = await world.renderer().render(launch, ordinal=0)
    manifest["metadata"]["labels"] = labels
    await world.cluster.create_pod(NAMESPACE, manifest)
    async with world.running() as engine:
        engine.submit(launch)
        second = await world.pod(1)
    assert second.endswith("-r1")
    assert world.cluster.count("delete") == 0


@pytest.mark.parametrize(
    "error",
    [ApiError(429), ApiError(503), ConnectionLostError("reset"), ApiError(409, reason="Conflict")],
    ids=["throttled", "unavailable", "reset", "conflict"],
)
async def test_passing_errors_are_waited_out(world, error):
    world.cluster.fail("create", error)
    async with world.running() as engine:
        engine.submit(a_launch())
        await world.pod()
    assert world.cluster.count("create") == 2
    assert not world.outcomes


async def test_a_pod_too_big_for_the_quota_does_not_hold_up_the_others(world):
    world.cluster.fail("create", TOO_BIG)
    async with world.running(create_concurrency="1") as engine:
        engine.submit(a_launch())
        engine.submit(a_launch(task=a_task(task_id="next")))
        assert (await world.pod()).startswith("etl-next-")


async def test_a_permanent_error_fails_the_task_once_with_a_remedy(world):
    world.cluster.fail("create", ApiError(422, reason="Invalid", message="env[0].name: Required"))
    async with world.running() as engine:
        engine.submit(a_launch())
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "env[0].name" in outcome.reason
    assert "pod template" in outcome.reason
    assert world.cluster.count("create") == 1


async def test_higher_priority_is_created_first(world):
    world.cluster.fail("create", ApiError(503))
    engine = world.engine(create_concurrency="1")
    for priority in (1, 9, 5):
        engine.submit(a_launch(priority=priority, task=a_task(task_id=f"p{priority}")))
    task = asyncio.create_task(engine.run())
    await world.eventually(lambda: len(world.cluster.names()) == 3)
    task.cancel()
    created = [name.split("-")[1] for verb, name in world.cluster.calls if verb == "create"]
    assert created == ["p9", "p5", "p1", "p9"]


async def test_a_failed_pod_of_a_running_task_fails_it_with_the_reason(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await world.end(name, exit_code=137)
        outcome = await world.outcome()
        await asyncio.sleep(0.05)
    assert outcome.verdict is Verdict.FAILED
    assert "SIGKILL" in outcome.reason
    assert world.cluster.names() == [name], "a failed pod is kept for inspection"


async def test_failed_pods_are_deleted_when_asked(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running(delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        await world.end(await world.pod(), exit_code=1)
        await world.eventually(lambda: not world.cluster.names())


async def test_a_pod_that_vanished_fails_its_running_task(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        await world.cluster.vanish(NAMESPACE, await world.pod())
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "deleted from outside" in outcome.reason


async def test_a_pod_that_vanished_unwatched_is_noticed_by_the_next_list(world):
    launch = a_launch()
    world.row(launch, "running")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await world.eventually(lambda: engine._dispatcher.ledger.get(launch.launch_id).pod)
        world.cluster.fail("watch", ApiError(410))
        await world.cluster.vanish(NAMESPACE, name)
        world.cluster.compact()
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED


async def test_a_pod_that_was_created_while_a_list_was_under_way_is_not_taken_for_gone(
    world, monkeypatch
):
    launch = a_launch()
    world.row(launch, "queued")
    read = world.cluster.list_pods

    async def read_slowly(*args, **options):
        page = await read(*args, **options)
        await asyncio.sleep(5)
        return page

    monkeypatch.setattr(world.cluster, "list_pods", read_slowly)
    async with world.running() as engine:
        await asyncio.sleep(1)
        engine.submit(launch)
        name = await world.pod()
        await asyncio.sleep(30)
    assert world.cluster.names() == [name]


async def test_a_task_that_never_began_is_launched_again_without_a_retry(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        first = await world.pod()
        await world.end(first, exit_code=1)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"])
        assert not world.outcomes
        world.row(launch, "success")
        await world.end(f"{first}-r1")
        assert (await world.outcome()).verdict is Verdict.SUCCESS


async def test_relaunches_are_limited(world):
    launch = a_launch()
    world.row(launch, "queued")
    async with world.running(relaunch_limit="1", delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        first = await world.pod()
        await world.end(first, exit_code=1)
        await world.eventually(lambda: world.cluster.names() == [f"{first}-r1"])
        await world.end(f"{first}-r1", exit_code=1)
        assert (await world.outcome()).verdict is Verdict.FAILED
    assert world.cluster.count("create") == 2


async def test_a_deferred_task_gets_no_event(world):
    launch = a_launch()
    world.row(launch, "deferred")
    async with world.running() as engine:
        engine.submit(launch)
        await world.end(await world.pod())
        assert (await world.outcome()).verdict is Verdict.DROP
        await world.eventually(lambda: not world.cluster.names())


async def test_ends_share_one_read_of_the_database(world):
    launches = [a_launch() for _ in range(8)]
    for launch in launches:
        world.row(launch, "success")
    async with world.running() as engine:
        for launch in launches:
            engine.submit(launch)
        await world.pod(7)
        for name in world.cluster.names():
            await world.end(name)
        await world.eventually(lambda: len(world.outcomes) == 8)
    assert world.reads < 8


async def test_a_failing_database_read_is_repeated(world):
    launch = a_launch()
    world.row(launch, "success")
    good, failures = world.read, iter([RuntimeError("database is down")])

    def flaky(row_ids):
        for error in failures:
            raise error
        return good(row_ids)

    world.read = flaky
    async with world.running() as engine:
        engine.submit(launch)
        await world.end(await world.pod())
        assert (await world.outcome()).verdict is Verdict.SUCCESS


async def test_a_revoked_launch_loses_its_pod_and_reports_nothing(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.pod()
        await world.eventually(lambda: engine._dispatcher.ledger.get(launch.launch_id).pod)
        engine.revoke(launch.launch_id)
        await world.eventually(lambda: not world.cluster.names())
    assert not world.outcomes


async def test_a_failing_delete_is_repeated_until_it_works(world):
    launch = a_launch()
    world.row(launch, "success")
    for error in (ApiError(500), ApiError(403), ConnectionLostError("reset")):
        world.cluster.fail("delete", error)
    async with world.running() as engine:
        engine.submit(launch)
        await world.end(await world.pod())
        await world.eventually(lambda: not world.cluster.names())
    assert world.cluster.count("delete") == 4


async def test_an_orphan_with_a_pod_is_followed_to_its_end(world):
    launch = a_launch()
    async with world.running() as first:
        first.submit(launch)
        name = await world.pod()
    world.row(launch, "success")
    orphan = Orphan(key="adopted", launch_id=launch.launch_id, row_id=launch.row_id)
    async with world.running() as second:
        assert await second.adopt([orphan]) == []
        await world.end(name)
        outcome = await world.outcome()
        await world.eventually(lambda: not world.cluster.names())
    assert outcome.key == "adopted"
    assert outcome.verdict is Verdict.SUCCESS


async def test_an_orphan_whose_pod_ended_meanwhile_is_settled_at_once(world):
    launch = a_launch()
    async with world.running() as first:
        first.submit(launch)
        name = await world.pod()
    await world.end(name)
    world.row(launch, "success")
    async with world.running() as second:
        await second.adopt([Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id)])
        assert (await world.outcome()).verdict is Verdict.SUCCESS


async def test_an_orphan_without_a_pod_is_given_back(world):
    orphan = Orphan(key="k", launch_id=uuid.uuid4(), row_id=uuid.uuid4())
    async with world.running() as engine:
        assert await engine.adopt([orphan]) == [orphan]


async def test_without_a_picture_orphans_are_trusted(world):
    for _ in range(50):
        world.cluster.fail("list", ConnectionLostError("refused"))
    orphan = Orphan(key="k", launch_id=uuid.uuid4(), row_id=uuid.uuid4())
    async with world.running(adoption_wait="0.05") as engine:
        assert await engine.adopt([orphan]) == []


async def test_a_mutation_hook_changes_the_pod_but_not_its_identity(world):
    def mutate(manifest):
        manifest["metadata"]["name"] = "mine"
        manifest["metadata"]["labels"] = {"hooked": "yes"}
        return manifest

    launch = a_launch()
    async with world.running(mutate=mutate) as engine:
        engine.submit(launch)
        name = await world.pod()
    assert name.startswith("etl-load-")
    labels = world.cluster.raw(NAMESPACE, name)["metadata"]["labels"]
    assert labels["hooked"] == "yes"
    assert labels["tradewind/launch-id"] == str(launch.launch_id)


async def test_a_bad_override_fails_its_own_task_alone(world):
    def refuse():
        raise ConfigError("pod_override is a dict")

    async with world.running(create_concurrency="1") as engine:
        engine.submit(a_launch(render_override=refuse, priority=2))
        engine.submit(a_launch())
        await world.pod()
        outcome = await world.outcome()
    assert outcome.verdict is Verdict.FAILED
    assert "pod_override is a dict" in outcome.reason


async def test_a_pod_the_watch_showed_needs_no_answer_to_its_create(world):
    world.cluster.after_create = asyncio.Event()
    launch = a_launch()
    world.row(launch, "success")
    async with world.running() as engine:
        engine.submit(launch)
        name = await world.pod()
        await world.eventually(lambda: engine.stats().pending == 1)
        world.cluster.is_down = True
        world.cluster.after_create.set()
        await asyncio.sleep(5)
        world.cluster.is_down = False
        await asyncio.sleep(60)
        await world.end(name)
        assert (await world.outcome()).verdict is Verdict.SUCCESS
    assert world.cluster.count("create") == 1
