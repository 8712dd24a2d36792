"""The fake cluster and a real API server, of which the same is claimed."""

import asyncio
import contextlib

import pytest

from tradewind.testing.fake_cluster import FakeCluster


@pytest.fixture(params=["fake", "real"])
def rig(request):
    """Return (cluster, node, namespace); the fake plays its own node."""
    if request.param == "fake":
        cluster = FakeCluster()
        return cluster, cluster, "tasks"
    real = request.getfixturevalue("real_cluster")
    return real, request.getfixturevalue("node"), request.getfixturevalue("namespace")


async def collect(pods, namespace, version, *, selector, until):
    """Return a watch's events after a version, up to the first that `until` is true of."""
    seen = []
    async with asyncio.timeout(20):
        watch = pods.watch_pods(
            namespace, selector=selector, resource_version=version, timeout_s=20
        )
        async with contextlib.aclosing(watch):
            async for event in watch:
                seen.append(event)
                if until(event):
                    break
    return seen
