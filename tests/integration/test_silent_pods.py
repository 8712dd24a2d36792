"""Claimed pods that do not fetch their workload: real API server, real rows, no kubelet."""

import asyncio
import time

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from scheduler_side import a_row, queue, started

from tradewind import contract
from tradewind.dispatch import boarding_watch
from tradewind.testing.builders import base_running

pytestmark = pytest.mark.usefixtures("database", "configured")
DELIVERY = pytest.mark.parametrize("delivery", ["boarding"], indirect=True)


@pytest.fixture
async def endpoint(monkeypatch, configured):
    """Answer as the boarding endpoint does when no token is presented."""

    async def refuse(_):
        headers = {contract.SERVER_TIME: f"{time.time():.3f}"}
        return web.json_response({"reason": "no_token"}, status=401, headers=headers)

    app = web.Application()
    app.router.add_post("/board", refuse)
    async with TestServer(app) as server:
        url = str(server.make_url("/board"))
        monkeypatch.setenv("AIRFLOW__TRADEWIND__BOARDING_URL", url)
        yield url


async def listed(cluster, namespace, selector):
    page = await cluster.list_pods(namespace, selector=selector, limit=50)
    return [pod for pod in page.items if not pod.metadata.deletion_timestamp]


async def eventually(claim, *, within_s=30):
    async with asyncio.timeout(within_s):
        while not (found := await claim()):
            await asyncio.sleep(0.05)
    return found


@DELIVERY
@pytest.mark.usefixtures("endpoint")
async def test_a_silent_claimed_pod_is_marked_then_replaced_by_a_cold_one(
    real_cluster, node, namespace, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__WARM_POOLS", '{"default": 1}')
    monkeypatch.setenv("AIRFLOW__TRADEWIND__BOARDING_TIMEOUT", "1")
    monkeypatch.setattr(boarding_watch, "LOOK_EVERY_S", 0.5)
    monkeypatch.setattr(boarding_watch, "BEGINS_WITHIN_S", 2.0)
    ti = a_row()

    def pods(selector):
        return lambda: listed(real_cluster, namespace, selector)

    async def marked():
        return await listed(real_cluster, namespace, "tradewind/overdue=true")

    with started(job_id=None) as executor:
        (idle,) = await eventually(pods("tradewind/pool"))
        await node.set_status(namespace, idle.metadata.name, base_running())
        await asyncio.sleep(1)
        queue(executor, ti)
        (claimed,) = await eventually(pods(f"tradewind/launch-id={ti.external_executor_id}"))
        assert claimed.metadata.uid == idle.metadata.uid
        (overdue,) = await eventually(marked)
        assert overdue.metadata.uid == idle.metadata.uid
        (cold,) = await eventually(pods("tradewind/ordinal=1"))
        assert cold.metadata.labels["tradewind/launch-id"] == ti.external_executor_id
        assert "tradewind/pool" not in cold.metadata.labels
        assert ti.key in executor.running
        assert executor.get_event_buffer() == {}
        names = {pod.metadata.name for pod in await pods("")()}
        assert idle.metadata.name not in names
