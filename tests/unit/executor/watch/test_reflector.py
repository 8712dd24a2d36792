import asyncio
import contextlib

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.testing.builders import base_ended, base_running
from tradewind.testing.fake_cluster import FakeCluster
from tradewind.watch.reflector import Reflector


class Seen:
    def __init__(self):
        self.changes = []
        self.listings = []

    def names(self, *, gone):
        return [c.pod.metadata.name for c in self.changes if c.gone is gone]

    def phases(self, name):
        return [c.pod.status.phase for c in self.changes if c.pod.metadata.name == name]


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def seen():
    return Seen()


@contextlib.asynccontextmanager
async def running(
    cluster, seen, clock, *, page_size=500, namespace="tasks", on_change=None, **more
):
    reflector = Reflector(
        cluster,
        namespace=namespace,
        selector="ours",
        page_size=page_size,
        clock=clock,
        on_change=on_change or seen.changes.append,
        on_listed=seen.listings.append,
        **more,
    )
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def a_manifest(name, **labels):
    return {"metadata": {"name": name, "labels": {"ours": "1"} | labels}, "spec": {}}


async def test_no_two_pages_of_a_list_are_in_memory_whole(cluster, seen, clock):
    kept, kept_before_page = [], []
    list_pods = cluster.list_pods

    async def listed(*arguments, **named):
        kept_before_page.append(len(kept))
        return await list_pods(*arguments, **named)

    cluster.list_pods = listed
    for number in range(5):
        await cluster.create_pod("tasks", a_manifest(f"p{number}"))
    compact = lambda pod: kept.append(pod) or pod  # noqa: E731
    async with running(cluster, seen, clock, page_size=2, compact=compact) as reflector:
        await reflector.synced.wait()
    assert kept_before_page == [0, 2, 4]
    assert sorted(seen.names(gone=False)) == [f"p{number}" for number in range(5)]


async def test_existing_pods_are_listed_page_by_page(cluster, seen, clock):
    for number in range(5):
        await cluster.create_pod("tasks", a_manifest(f"p{number}"))
    async with running(cluster, seen, clock, page_size=2) as reflector:
        await reflector.synced.wait()
        assert sorted(seen.names(gone=False)) == ["p0", "p1", "p2", "p3", "p4"]
        assert cluster.count("list") == 3


async def test_only_selected_pods_of_the_namespace_are_seen(cluster, seen, clock, eventually):
    await cluster.create_pod("other", a_manifest("elsewhere"))
    await cluster.create_pod("tasks", {"metadata": {"name": "foreign"}, "spec": {}})
    async with running(cluster, seen, clock) as reflector:
        await reflector.synced.wait()
        await cluster.create_pod("tasks", a_manifest("ours"))
        await eventually(lambda: seen.names(gone=False) == ["ours"])


async def test_changes_and_deletions_arrive(cluster, seen, clock, eventually):
    async with running(cluster, seen, clock) as reflector:
        await reflector.synced.wait()
        await cluster.create_pod("tasks", a_manifest("a"))
        await cluster.set_status("tasks", "a", base_running())
        await cluster.vanish("tasks", "a")
        await eventually(lambda: seen.names(gone=True) == ["a"])
        assert seen.phases("a") == ["Pending", "Running", "Running"]


async def test_410_lists_again_and_reports_the_difference(cluster, seen, clock, eventually):
    await cluster.create_pod("tasks", a_manifest("stays"))
    await cluster.create_pod("tasks", a_manifest("goes"))
    async with running(cluster, seen, clock) as reflector:
        await reflector.synced.wait()
        cluster.fail("watch", ConnectionLostError("reset"))
        cluster.fail("watch", ApiError(410, reason="Expired"))
        await cluster.vanish("tasks", "goes")
        await cluster.set_status("tasks", "stays", base_ended(0))
        cluster.compact()
        await eventually(lambda: seen.names(gone=True) == ["goes"])
        await eventually(lambda: seen.phases("stays")[-1] == "Succeeded")
        assert cluster.count("list") >= 2


async def test_a_broken_watch_goes_on_from_its_version_without_a_list(
    cluster, seen, clock, eventually
):
    async with running(cluster, seen, clock) as reflector:
        await reflector.synced.wait()
        await cluster.create_pod("tasks", a_manifest("before"))
        await eventually(lambda: seen.names(gone=False) == ["before"])
        await cluster.interrupt_watches()
        await cluster.create_pod("tasks", a_manifest("after"))
        await eventually(lambda: seen.names(gone=False) == ["before", "after"])
        assert cluster.count("list") == 1


async def test_a_failing_list_is_repeated_with_growing_waits(cluster, seen, clock):
    for _ in range(4):
        cluster.fail("list", ApiError(503))
    async with running(cluster, seen, clock) as reflector:
        await asyncio.wait_for(reflector.synced.wait(), timeout=5)
    assert len(clock.slept) == 4
    assert clock.slept[3] > clock.slept[0]


async def test_retry_after_is_honoured(cluster, seen, clock):
    cluster.fail("list", ApiError(429, retry_after_s=40))
    async with running(cluster, seen, clock) as reflector:
        await asyncio.wait_for(reflector.synced.wait(), timeout=5)
    assert clock.slept[0] >= 40


async def test_the_same_version_is_reported_once(cluster, seen, clock, eventually):
    await cluster.create_pod("tasks", a_manifest("a"))
    async with running(cluster, seen, clock) as reflector:
        await reflector.synced.wait()
        cluster.compact()
        cluster.fail("watch", ApiError(410))
        await cluster.interrupt_watches()
        await eventually(lambda: cluster.count("list") >= 2)
    assert seen.names(gone=False) == ["a"]


async def test_a_handler_that_raises_stops_nothing(cluster, seen, clock, eventually):
    def explode(change):
        seen.changes.append(change)
        raise RuntimeError("surprise")

    async with running(cluster, seen, clock, on_change=explode) as reflector:
        await reflector.synced.wait()
        await cluster.create_pod("tasks", a_manifest("a"))
        await cluster.create_pod("tasks", a_manifest("b"))
        await eventually(lambda: seen.names(gone=False) == ["a", "b"])
