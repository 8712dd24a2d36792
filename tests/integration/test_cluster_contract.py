"""What the product relies on, claimed of the real API server and of its fake alike."""

import asyncio

import pytest
from fake_and_real import collect, rig

from tradewind.client.errors import ApiError
from tradewind.pods import diagnosis
from tradewind.testing.builders import base_ended, base_running
from tradewind.testing.fake_cluster import FakeCluster

__all__ = ["rig"]

SELECTOR = "tradewind/launch-id"


def a_manifest(name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {SELECTOR: "x"} | labels},
        "spec": {"containers": [{"name": "base", "image": "worker:1"}]},
    }


def an_event(reason, second, **more):
    said = {"reason": reason, "message": f"{reason} happened", "type": "Warning"}
    return said | {"lastTimestamp": f"2026-01-01T00:00:{second:02}Z"} | more


async def version_of(cluster, namespace):
    page = await cluster.list_pods(namespace, selector=SELECTOR, limit=1)
    return page.metadata.resource_version


async def test_a_created_pod_has_a_uid_and_can_be_read(rig):
    cluster, _, namespace = rig
    created = await cluster.create_pod(namespace, a_manifest("a"))
    read = await cluster.get_pod(namespace, "a")
    assert created.metadata.uid
    assert read.metadata.uid == created.metadata.uid
    assert read.metadata.namespace == namespace
    assert read.metadata.labels[SELECTOR] == "x"


async def test_a_name_can_be_taken_once(rig):
    cluster, _, namespace = rig
    await cluster.create_pod(namespace, a_manifest("a"))
    with pytest.raises(ApiError) as caught:
        await cluster.create_pod(namespace, a_manifest("a"))
    assert caught.value.is_already_exists


async def test_a_missing_pod_is_404(rig):
    cluster, _, namespace = rig
    with pytest.raises(ApiError) as caught:
        await cluster.get_pod(namespace, "none")
    assert caught.value.is_not_found
    with pytest.raises(ApiError) as caught:
        await cluster.delete_pod(namespace, "none", uid="u")
    assert caught.value.is_not_found


async def test_a_delete_checks_the_uid(rig):
    cluster, _, namespace = rig
    pod = await cluster.create_pod(namespace, a_manifest("a"))
    with pytest.raises(ApiError) as caught:
        await cluster.delete_pod(namespace, "a", uid="another")
    assert caught.value.status == 409
    assert not caught.value.is_already_exists
    await cluster.delete_pod(namespace, "a", uid=pod.metadata.uid)
    with pytest.raises(ApiError):
        await cluster.get_pod(namespace, "a")


async def test_lists_select_and_page(rig):
    cluster, _, namespace = rig
    for number in range(5):
        await cluster.create_pod(namespace, a_manifest(f"p{number}", parity=str(number % 2)))
    first = await cluster.list_pods(namespace, selector=SELECTOR, limit=2)
    second = await cluster.list_pods(
        namespace, selector=SELECTOR, limit=10, resume=first.metadata.resume
    )
    assert len(first.items) == 2
    assert first.metadata.resume
    assert not second.metadata.resume
    names = [pod.metadata.name for pod in (*first.items, *second.items)]
    assert names == ["p0", "p1", "p2", "p3", "p4"]
    odd = await cluster.list_pods(namespace, selector="parity=1", limit=10)
    assert [pod.metadata.name for pod in odd.items] == ["p1", "p3"]


async def test_a_watch_tells_everything_after_its_version(rig):
    cluster, node, namespace = rig
    version = await version_of(cluster, namespace)
    await cluster.create_pod(namespace, a_manifest("a"))
    await node.set_status(namespace, "a", base_running())
    await node.set_status(namespace, "a", base_ended(3))
    await node.vanish(namespace, "a")
    events = await collect(
        cluster, namespace, version, selector=SELECTOR, until=lambda e: e.type == "DELETED"
    )
    kinds = [event.type for event in events]
    assert kinds[0] == "ADDED"
    assert kinds[-1] == "DELETED"
    phases = [event.pod.status.phase for event in events]
    assert phases.index("Running") < phases.index("Failed")
    ended = events[-1].pod.status.container_statuses[0].state.terminated
    assert ended.exit_code == 3
    versions = [int(event.pod.metadata.resource_version) for event in events]
    assert versions == sorted(versions)


async def test_a_watch_resumes_where_another_stopped(rig):
    cluster, _, namespace = rig
    version = await version_of(cluster, namespace)
    await cluster.create_pod(namespace, a_manifest("a"))
    await cluster.create_pod(namespace, a_manifest("b"))
    first = await collect(cluster, namespace, version, selector=SELECTOR, until=lambda _: True)
    assert first[0].pod.metadata.name == "a"
    resumed = first[0].pod.metadata.resource_version
    second = await collect(cluster, namespace, resumed, selector=SELECTOR, until=lambda _: True)
    assert second[0].pod.metadata.name == "b"


async def test_a_watch_ends_by_itself(rig):
    cluster, _, namespace = rig
    version = await version_of(cluster, namespace)
    watch = cluster.watch_pods(namespace, selector=SELECTOR, resource_version=version, timeout_s=1)
    async with asyncio.timeout(15):
        events = [event async for event in watch]
    assert all(event.type == "BOOKMARK" for event in events)


async def test_a_compacted_version_is_410():
    cluster = FakeCluster()
    await cluster.create_pod("tasks", a_manifest("a"))
    cluster.compact()
    with pytest.raises(ApiError) as caught:
        await collect(cluster, "tasks", "1", selector=SELECTOR, until=lambda _: True)
    assert caught.value.is_gone


async def test_the_real_server_answers_410_after_a_compaction(api_server, real_cluster, namespace):
    version = await version_of(real_cluster, namespace)
    await real_cluster.create_pod(namespace, a_manifest("a"))
    api_server.restart_compacted()
    with pytest.raises(ApiError) as caught:
        await collect(
            real_cluster,
            namespace,
            version,
            selector=SELECTOR,
            until=lambda event: event.type == "ADDED",
        )
    assert caught.value.is_gone


async def test_events_are_listed_for_one_pod_latest_last(rig):
    cluster, node, namespace = rig
    first = await cluster.create_pod(namespace, a_manifest("a"))
    second = await cluster.create_pod(namespace, a_manifest("b"))
    await node.add_event(namespace, "a", an_event("Pulling", 30))
    await node.add_event(namespace, "a", an_event("FailedMount", 5, count=7))
    await node.add_event(namespace, "b", an_event("Scheduled", 1))
    of_first = await cluster.list_events(namespace, pod_uid=first.metadata.uid, limit=10)
    assert [event.reason for event in of_first] == ["FailedMount", "Pulling"]
    assert [event.times for event in of_first] == [7, 1]
    assert of_first[0].message == "FailedMount happened"
    assert of_first[0].type == "Warning"
    of_second = await cluster.list_events(namespace, pod_uid=second.metadata.uid, limit=10)
    assert [event.reason for event in of_second] == ["Scheduled"]


async def test_events_are_capped_and_outlive_their_pod(rig):
    cluster, node, namespace = rig
    pod = await cluster.create_pod(namespace, a_manifest("a"))
    for second in range(3):
        await node.add_event(namespace, "a", an_event("FailedMount", second))
    await node.vanish(namespace, "a")
    events = await cluster.list_events(namespace, pod_uid=pod.metadata.uid, limit=2)
    assert [event.reason for event in events] == ["FailedMount", "FailedMount"]


async def test_an_unknown_pod_and_an_unknown_namespace_have_no_events(rig):
    cluster, _, namespace = rig
    assert await cluster.list_events(namespace, pod_uid="none", limit=10) == ()
    assert await cluster.list_events("no-such-namespace", pod_uid="none", limit=10) == ()


async def test_what_an_explanation_quotes_survives_the_server(rig):
    cluster, node, namespace = rig
    limits = {"resources": {"limits": {"memory": "512Mi", "cpu": 2}}}
    manifest = a_manifest("a")
    manifest["spec"]["containers"][0] |= limits
    manifest["spec"]["initContainers"] = [
        {"name": "proxy", "image": "envoy:1", "restartPolicy": "Always"}
    ]
    manifest["spec"] |= {"restartPolicy": "Never", "activeDeadlineSeconds": 60}
    await cluster.create_pod(namespace, manifest)
    await node.set_status(namespace, "a", base_ended(137, reason="OOMKilled"))
    pod = await cluster.get_pod(namespace, "a")
    assert pod.spec.active_deadline_seconds == 60
    assert [(c.name, c.restart_policy) for c in pod.spec.init_containers] == [("proxy", "Always")]
    assert "OOMKilled at its memory limit of 512Mi" in diagnosis.of(pod)
