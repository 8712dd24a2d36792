"""A launch gets an idle pod by one conditional patch, whatever becomes of the patch."""

import asyncio

import pytest

from tradewind import metrics
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.gates.starts import FIRST_CLAIMS
from tradewind.dispatch.settle import Verdict
from tradewind.testing.builders import a_launch, a_task, base_ended

NAMESPACE = "default"
LOST = ConnectionLostError("reset")
CONFLICT = ApiError(409, reason="Conflict", message="the object has been modified")


async def test_a_launch_gets_an_idle_pod_and_ends_like_any_other(schedulers):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        launch = a_launch()
        schedulers.row(launch, "queued")
        creates = schedulers.cluster.count("create")
        engine.submit(launch)
        pod = await schedulers.pod_of(launch)
        assert schedulers.cluster.count("create") == creates
        assert engine.stats().running == 1
        await schedulers.finish(launch)
        await schedulers.eventually(lambda: schedulers.outcomes)
        assert schedulers.outcomes[0].verdict is Verdict.SUCCESS
        await schedulers.eventually(lambda: pod not in schedulers.cluster.names())
        assert schedulers.measured.total(metrics.CLAIMS_WON, pool="default") == 1
        assert schedulers.misses() == {}


async def test_a_claimed_pod_has_every_label_of_a_cold_one_and_keeps_its_pool(schedulers):
    schedulers.want(default=1)
    launch = a_launch(task=a_task(map_index=3))
    async with schedulers.running(pools=False) as engine:
        engine.submit(launch)
        cold = await schedulers.pod_of(launch)
        expected = schedulers.cluster.raw(NAMESPACE, cold)["metadata"]
        await schedulers.cluster.vanish(NAMESPACE, cold)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        engine.submit(launch)
        warm = schedulers.cluster.raw(NAMESPACE, await schedulers.pod_of(launch))["metadata"]
    assert warm["labels"] == expected["labels"] | {"tradewind/pool": "default"}
    assert warm["annotations"].keys() == expected["annotations"].keys()
    assert warm["annotations"]["tradewind/row-id"] == str(launch.row_id)
    assert warm["annotations"]["map_index"] == "3"


async def test_the_highest_priority_gets_the_only_idle_pod(schedulers):
    schedulers.want(default=1)
    async with schedulers.running(max_pending_pods="1") as engine:
        await schedulers.eventually(lambda: schedulers.idle(running=False))
        blocking, low, high = (a_launch(priority=weight) for weight in (20, 1, 9))
        for launch in (blocking, low, high):
            engine.submit(launch)
        await schedulers.filled(1)
        await schedulers.pod_of(high)
        await schedulers.pod_of(low)
        assert schedulers.is_warm(high)
        assert not schedulers.is_warm(low)


async def test_of_a_burst_a_few_begin_at_a_time_and_none_starts_cold(schedulers):
    schedulers.want(default=FIRST_CLAIMS + 4)
    launches = [a_launch() for _ in range(FIRST_CLAIMS + 4)]
    async with schedulers.running() as engine:
        await schedulers.filled(len(launches))
        creates = schedulers.cluster.count("create")
        for launch in launches:
            schedulers.row(launch, "queued")
            engine.submit(launch)
        await schedulers.eventually(lambda: len(schedulers.claimed()) == FIRST_CLAIMS)
        await asyncio.sleep(10)
        assert len(schedulers.claimed()) == FIRST_CLAIMS
        for launch in launches:
            schedulers.row(launch, "running")
        await schedulers.eventually(lambda: len(schedulers.claimed()) == len(launches))
        assert schedulers.cluster.count("create") == creates
        assert schedulers.misses() == {}


async def test_idle_pods_are_claimed_though_no_cold_pod_may_start(schedulers):
    schedulers.want(default=2)
    async with schedulers.running(max_pending_pods="1") as engine:
        await schedulers.filled(2)
        schedulers.starts_in_s = 1000.0
        odd = a_launch(priority=9, choice={"resources": {"requests": {"cpu": "2"}}})
        other = a_launch(priority=9, choice={"resources": {"requests": {"cpu": "2"}}})
        for launch in (odd, other):
            engine.submit(launch)
        await schedulers.pod_of(odd)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert schedulers.is_warm(launch)
        assert not schedulers.pods_of(other)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"choice": {"resources": {"requests": {"cpu": "2"}}}}, "no_pool", id="own"),
        pytest.param(
            {"render_override": lambda: {"spec": {"nodeSelector": {"disk": "ssd"}}}},
            "no_pool",
            id="override",
        ),
        pytest.param({"choice": {"delivery": "args"}}, "no_pool", id="workload-in-the-spec"),
    ],
)
async def test_a_launch_of_another_shape_starts_cold(schedulers, changed, reason):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        launch = a_launch(**changed)
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        assert len(schedulers.idle()) == 1
        assert schedulers.misses() == {reason: 1}


async def test_an_override_that_changes_nothing_stays_warm(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        same = {"spec": {"containers": [{"name": "base", "image": "w:1"}]}}
        launch = a_launch(render_override=lambda: same)
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert schedulers.is_warm(launch)


async def test_a_hook_that_treats_all_alike_stays_warm_and_one_that_does_not_goes_cold(schedulers):
    def mutate(pod):
        named = pod["metadata"]["labels"].get("dag_id") == "special"
        marks = pod["metadata"]["labels"] | {"tier": "special" if named else "batch"}
        return pod | {"metadata": pod["metadata"] | {"labels": marks}}

    schedulers.want(default=2)
    async with schedulers.running(mutate=mutate) as engine:
        await schedulers.filled(2)
        plain, special = a_launch(), a_launch(task=a_task(dag_id="special"))
        for launch in (plain, special):
            engine.submit(launch)
            await schedulers.pod_of(launch)
        assert schedulers.is_warm(plain)
        assert not schedulers.is_warm(special)


@pytest.mark.parametrize(
    ("status", "reason"),
    [pytest.param(3.0, "empty", id="all-taken"), pytest.param(1000.0, "starting", id="starting")],
)
async def test_without_an_idle_pod_a_launch_starts_cold_at_once(schedulers, status, reason):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        schedulers.starts_in_s = status
        first, second = a_launch(), a_launch()
        engine.submit(first)
        await schedulers.pod_of(first)
        if reason == "starting":
            await schedulers.eventually(lambda: schedulers.idle(running=False))
        engine.submit(second)
        await schedulers.pod_of(second)
        assert not schedulers.is_warm(second)
        assert schedulers.misses() == {reason: 1}


# -- crash points ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(CONFLICT, id="changed-meanwhile"),
        pytest.param(ApiError(404, reason="NotFound"), id="gone"),
        pytest.param(ApiError(422, reason="Invalid"), id="another-pod-of-the-name"),
    ],
)
async def test_a_pod_that_is_not_as_it_was_seen_is_left_for_the_next(schedulers, error):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        schedulers.cluster.fail("patch", error)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert schedulers.is_warm(launch)
        assert schedulers.measured.total(metrics.CLAIMS_LOST, pool="default") == 1


async def test_after_a_few_lost_claims_a_launch_starts_cold(schedulers):
    schedulers.want(default=6)
    async with schedulers.running() as engine:
        await schedulers.filled(6)
        for _ in range(4):
            schedulers.cluster.fail("patch", CONFLICT)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        assert schedulers.misses() == {"lost": 1}


async def test_a_claim_whose_answer_was_lost_is_found_by_a_look_at_the_pod(schedulers):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        schedulers.cluster.is_blind = True
        schedulers.cluster.fail("patch", LOST, takes_effect=True)
        launch = a_launch()
        creates = schedulers.cluster.count("create")
        engine.submit(launch)
        await schedulers.eventually(lambda: engine.stats().running == 1)
        assert len(schedulers.pods_of(launch)) == 1
        assert schedulers.cluster.count("create") == creates


async def test_a_claim_that_did_not_arrive_is_repeated_on_the_same_pod(schedulers):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        schedulers.cluster.fail("patch", LOST)
        launch = a_launch()
        engine.submit(launch)
        await schedulers.pod_of(launch)
        patched = [name for verb, name in schedulers.cluster.calls if verb == "patch"]
        assert patched[0] == patched[1]
        await asyncio.sleep(60)
        assert len(schedulers.pods_of(launch)) == 1


async def test_while_the_server_is_down_a_lost_claim_stays_open_and_nothing_starts_twice(
    schedulers,
):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        schedulers.cluster.fail("patch", LOST, takes_effect=True)
        launch = a_launch()
        engine.submit(launch)
        for _ in range(50):
            if schedulers.pods_of(launch):
                break
            await asyncio.sleep(0)
        await schedulers.cluster.break_down()
        await asyncio.sleep(120)
        schedulers.cluster.come_back()
        await schedulers.eventually(lambda: engine.stats().running == 1)
        assert len(schedulers.pods_of(launch)) == 1
        assert not schedulers.outcomes


async def test_a_launch_revoked_during_its_claim_leaves_no_pod(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        schedulers.cluster.fail("patch", LOST, takes_effect=True)
        launch = a_launch()
        engine.submit(launch)
        for _ in range(50):
            if schedulers.pods_of(launch):
                break
            await asyncio.sleep(0)
        engine.revoke(launch.launch_id)
        await schedulers.eventually(lambda: not schedulers.pods_of(launch))
        await asyncio.sleep(600)
        assert not schedulers.pods_of(launch)
        assert not schedulers.outcomes


async def test_without_the_right_to_patch_tasks_start_cold(schedulers, caplog):
    schedulers.want(default=2)
    forbidden = ApiError(403, reason="Forbidden", message='cannot patch resource "pods"')
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        schedulers.cluster.fail("patch", forbidden)
        first, second = a_launch(), a_launch()
        for launch in (first, second):
            engine.submit(launch)
            await schedulers.pod_of(launch)
        assert not schedulers.is_warm(first)
        assert not schedulers.is_warm(second)
        assert schedulers.misses() == {"refused": 2}
    assert "the right to patch pods" in caplog.text


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(base_ended(137), id="killed"),
        pytest.param(
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on: memory."},
            id="evicted-for-memory",
        ),
        pytest.param(None, id="deleted"),
    ],
)
async def test_a_claimed_pod_that_dies_before_its_task_began_is_replaced_cold(schedulers, end):
    schedulers.want(default=2)
    async with schedulers.running() as engine:
        await schedulers.filled(2)
        launch = a_launch()
        schedulers.row(launch, "queued")
        engine.submit(launch)
        warm = await schedulers.pod_of(launch)
        if end is None:
            await schedulers.cluster.vanish(NAMESPACE, warm)
        else:
            await schedulers.cluster.set_status(NAMESPACE, warm, end)
        await schedulers.eventually(lambda: len(schedulers.idle()) == 2)
        cold = await schedulers.pod_of(launch)
        assert not schedulers.is_warm(launch)
        assert schedulers.labels(cold)["tradewind/ordinal"] == "1"
        assert not schedulers.outcomes


async def test_another_scheduler_adopts_a_claimed_pod_by_its_launch(schedulers):
    schedulers.want(default=1)
    launch = a_launch()
    schedulers.row(launch, "queued")
    async with schedulers.running(number=1) as dead:
        await schedulers.filled(1)
        dead.submit(launch)
        await schedulers.pod_of(launch)
    async with schedulers.running(number=2) as heir:
        orphan = Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id)
        assert await heir.adopt([orphan]) == []
        await schedulers.finish(launch)
        await schedulers.eventually(lambda: schedulers.outcomes)
        assert schedulers.outcomes[-1].verdict is Verdict.SUCCESS


async def test_a_scheduler_killed_before_its_claim_leaves_an_idle_pod_and_no_orphans_pod(
    schedulers,
):
    schedulers.want(default=1)
    launch = a_launch()
    async with schedulers.running(number=1):
        await schedulers.filled(1)
    async with schedulers.running(number=2) as heir:
        orphan = Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id)
        assert await heir.adopt([orphan]) == [orphan]
        assert len(schedulers.idle()) == 1


async def test_a_claimed_pod_may_run_as_long_as_one_of_its_own_would(schedulers):
    schedulers.want(default=1)
    async with schedulers.running() as engine:
        await schedulers.filled(1)
        await asyncio.sleep(100)
        launch = a_launch(timeout_s=600.0)
        engine.submit(launch)
        warm = await schedulers.pod_of(launch)
        assert schedulers.is_warm(launch)
        spec = schedulers.cluster.raw(NAMESPACE, warm)["spec"]
    assert 600 + 1800 + 100 <= spec["activeDeadlineSeconds"] < 600 + 1800 + 200
