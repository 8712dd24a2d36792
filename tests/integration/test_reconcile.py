"""What a killed scheduler leaves behind, on a real API server with real database rows."""

import asyncio
import contextlib

import pytest

from tradewind.client.errors import ApiError
from tradewind.clock import SystemClock
from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks
from tradewind.dispatch.settle import TaskFacts, Verdict
from tradewind.pods import names
from tradewind.testing.builders import a_launch, base_ended, settings

LAUNCH = "tradewind/launch-id"


class FixedRenderer:
    """Renders just enough of a pod for a real API server."""

    def __init__(self, namespace):
        self._namespace = namespace

    async def render(self, launch, *, ordinal):
        name = names.pod_name("d", "t", launch_id=launch.launch_id, ordinal=ordinal)
        labels = {LAUNCH: str(launch.launch_id), "tradewind/ordinal": str(ordinal)}
        spec = {"containers": [{"name": "base", "image": "worker:1"}], "restartPolicy": "Never"}
        metadata = {"name": name, "namespace": self._namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class World:
    def __init__(self, cluster, node, namespace):
        self.cluster, self.node, self.namespace = cluster, node, namespace
        self.rows, self.outcomes = {}, []

    @contextlib.asynccontextmanager
    async def running(self, **options):
        engine = Engine(
            Unclosed(self.cluster),
            settings=settings(namespace=self.namespace, reconcile_interval="1", **options),
            renderer=FixedRenderer(self.namespace),
            read_facts=lambda ids: {i: self.rows[i] for i in ids if i in self.rows},
            emit=self.outcomes.append,
            clock=SystemClock(),
            hooks=Hooks(
                read_strays=lambda strays: {
                    s.launch_id: TaskFacts(state="success", launch_id=s.launch_id) for s in strays
                }
            ),
        )
        task = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def pods(self):
        page = await self.cluster.list_pods(self.namespace, selector=LAUNCH, limit=100)
        return [pod.metadata.name for pod in page.items]

    async def until(self, claim, within_s=60):
        async with asyncio.timeout(within_s):
            while not await claim():
                await asyncio.sleep(0.1)


class Unclosed:
    """The shared cluster, which outlives one engine."""

    def __init__(self, cluster):
        self._cluster = cluster

    def __getattr__(self, name):
        return getattr(self._cluster, name)

    async def close(self):
        """Leave it open."""


@pytest.fixture
def world(real_cluster, node, namespace):
    return World(real_cluster, node, namespace)


async def one_pod(world):
    pods = await world.pods()
    return pods if len(pods) == 1 else []


async def no_pod(world):
    return not await world.pods()


async def test_an_ended_pod_without_a_launch_goes_once_its_row_proves_it(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.until(lambda: one_pod(world))
    await world.node.set_status(world.namespace, (await world.pods())[0], base_ended(0))
    async with world.running():
        await world.until(lambda: no_pod(world))
    assert not world.outcomes


async def test_an_expired_pod_is_deleted_by_its_own_end_time(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.until(lambda: one_pod(world))
    ended = base_ended(1, finishedAt="2020-01-01T00:00:00Z", startedAt="2020-01-01T00:00:00Z")
    await world.node.set_status(world.namespace, (await world.pods())[0], ended)
    async with world.running(kept_pod_ttl="0"):
        await asyncio.sleep(3)
        assert await one_pod(world)
    async with world.running():
        await world.until(lambda: no_pod(world))


async def test_a_revoked_launch_that_nobody_adopted_loses_its_pod(world):
    launch = a_launch()
    async with world.running() as engine:
        engine.submit(launch)
        await world.until(lambda: one_pod(world))
    async with world.running() as engine:
        engine.revoke(launch.launch_id)
        await world.until(lambda: no_pod(world))


async def test_a_full_quota_parks_launches_until_there_is_room(world):
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tasks"},
        "spec": {"hard": {"pods": "1"}},
    }
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    await world.cluster._call("POST", path, body=quota)
    await fill_in(world, f"{path}/tasks", hard="1", used="1")
    async with world.running() as engine:
        for _ in range(3):
            engine.submit(a_launch())
        await world.until(lambda: parked(engine, 3))
        assert "exceeded quota" in engine.stats().parked_reasons[world.namespace]
        assert not world.outcomes
        await fill_in(world, f"{path}/tasks", hard="9", used="0")
        await world.until(lambda: created(engine, 3), within_s=90)
    assert not world.outcomes


async def fill_in(world, path, *, hard, used):
    """Write the quota's status, as its controller would, and let the API server learn of it."""
    status = {"hard": {"pods": hard}, "used": {"pods": used}}
    await world.node._patch(f"{path}/status", {"status": status})
    await asyncio.sleep(2)


async def parked(engine, count):
    return engine.stats().parked == count


async def created(engine, count):
    return engine.stats().creates == count


async def test_a_pod_is_gone_on_the_real_server_before_its_replacement_comes(world):
    launch = a_launch()
    world.rows[launch.row_id] = TaskFacts(state="queued", launch_id=launch.launch_id)
    async with world.running(delete_worker_pods_on_failure="True") as engine:
        engine.submit(launch)
        await world.until(lambda: one_pod(world))
        (first,) = await world.pods()
        await world.node.vanish(world.namespace, first)

        async def replaced():
            return await world.pods() == [f"{first}-r1"]

        await world.until(replaced)
        world.rows[launch.row_id] = TaskFacts(state="success", launch_id=launch.launch_id)
        await world.node.set_status(world.namespace, f"{first}-r1", base_ended(0))
        await world.until(lambda: no_pod(world))
    assert [outcome.verdict for outcome in world.outcomes] == [Verdict.SUCCESS]


async def test_a_missing_right_fails_the_launch_with_the_role_as_remedy(world):
    async with world.running() as engine:
        cluster = engine._cluster

        async def refuse(namespace, manifest):
            raise ApiError(403, message='User "s" cannot create resource "pods"')

        cluster.create_pod = refuse
        engine.submit(a_launch())
        await world.until(lambda: ended(world))
    assert "check the scheduler's Role" in world.outcomes[0].reason


async def ended(world):
    return world.outcomes
