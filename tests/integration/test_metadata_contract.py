"""Reading pods without spec and status, claimed of the real API server and of its fake alike."""

import asyncio

import pytest
from fake_and_real import collect, rig

from tradewind.client.errors import ApiError
from tradewind.testing.builders import base_running
from tradewind.testing.fake_cluster import FakeCluster

__all__ = ["rig"]

SELECTOR = "tradewind/installation=here"


def a_manifest(name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"tradewind/installation": "here"} | labels,
            "annotations": {"tradewind/row-id": "r1"},
        },
        "spec": {"containers": [{"name": "base", "image": "worker:1"}]},
    }


def is_bare(pod):
    return not pod.spec.containers and not pod.status.phase


async def test_one_pod_is_read_without_spec_and_status(rig):
    cluster, node, namespace = rig
    created = await cluster.create_pod(namespace, a_manifest("a", own="1"))
    await node.set_status(namespace, "a", base_running())
    pod = await cluster.metadata_only().get_pod(namespace, "a")
    assert is_bare(pod)
    assert pod.metadata.uid == created.metadata.uid
    assert pod.metadata.labels == {"tradewind/installation": "here", "own": "1"}
    assert pod.metadata.annotations == {"tradewind/row-id": "r1"}
    assert pod.metadata.namespace == namespace


async def test_a_pod_that_is_not_there_is_404(rig):
    cluster, _, namespace = rig
    with pytest.raises(ApiError) as caught:
        await cluster.metadata_only().get_pod(namespace, "none")
    assert caught.value.is_not_found


async def test_a_list_is_bare_selected_and_paged(rig):
    cluster, _, namespace = rig
    for number in range(3):
        await cluster.create_pod(namespace, a_manifest(f"p{number}"))
    await cluster.create_pod(namespace, a_manifest("other") | {"metadata": {"name": "other"}})
    pods = cluster.metadata_only()
    first = await pods.list_pods(namespace, selector=SELECTOR, limit=2)
    rest = await pods.list_pods(namespace, selector=SELECTOR, limit=2, resume=first.metadata.resume)
    found = [*first.items, *rest.items]
    assert [pod.metadata.name for pod in found] == ["p0", "p1", "p2"]
    assert all(map(is_bare, found))
    assert int(first.metadata.resource_version) > 0


async def test_a_watch_tells_labels_and_the_end(rig):
    cluster, node, namespace = rig
    page = await cluster.metadata_only().list_pods(namespace, selector=SELECTOR, limit=10)
    created = await cluster.create_pod(namespace, a_manifest("a"))
    await cluster.patch_pod(namespace, "a", {"metadata": {"labels": {"tradewind/launch-id": "x"}}})
    await node.vanish(namespace, "a")
    events = await collect(
        cluster.metadata_only(),
        namespace,
        page.metadata.resource_version,
        selector=SELECTOR,
        until=lambda event: event.type == "DELETED",
    )
    assert events[0].type == "ADDED"
    assert {event.pod.metadata.uid for event in events} == {created.metadata.uid}
    assert all(is_bare(event.pod) for event in events)
    assert events[-1].pod.metadata.labels["tradewind/launch-id"] == "x"
    versions = [int(event.pod.metadata.resource_version) for event in events]
    assert versions == sorted(versions)


async def test_a_watch_ends_by_itself_with_bookmarks_at_most(rig):
    cluster, _, namespace = rig
    pods = cluster.metadata_only()
    page = await pods.list_pods(namespace, selector=SELECTOR, limit=10)
    watch = pods.watch_pods(
        namespace,
        selector=SELECTOR,
        resource_version=page.metadata.resource_version,
        timeout_s=1,
    )
    async with asyncio.timeout(15):
        events = [event async for event in watch]
    assert all(event.type == "BOOKMARK" for event in events)


async def test_the_fake_answers_410_for_a_compacted_version():
    cluster = FakeCluster()
    await cluster.create_pod("tasks", a_manifest("a"))
    cluster.compact()
    with pytest.raises(ApiError) as caught:
        await collect(
            cluster.metadata_only(), "tasks", "1", selector=SELECTOR, until=lambda _: True
        )
    assert caught.value.is_gone


async def test_the_real_server_answers_410_after_a_compaction(api_server, real_cluster, namespace):
    pods = real_cluster.metadata_only()
    page = await pods.list_pods(namespace, selector=SELECTOR, limit=10)
    await real_cluster.create_pod(namespace, a_manifest("a"))
    api_server.restart_compacted()
    with pytest.raises(ApiError) as caught:
        await collect(
            pods,
            namespace,
            page.metadata.resource_version,
            selector=SELECTOR,
            until=lambda event: event.type == "ADDED",
        )
    assert caught.value.is_gone
