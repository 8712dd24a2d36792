"""What takeovers and claims of warm pods rely on, of the real API server and its fake alike."""

import asyncio
import contextlib

import pytest

from tradewind.client.errors import ApiError
from tradewind.testing.fake_cluster import FakeCluster


@pytest.fixture(params=["fake", "real"])
def rig(request):
    """Return (cluster, namespace)."""
    if request.param == "fake":
        return FakeCluster(), "tasks"
    return request.getfixturevalue("real_cluster"), request.getfixturevalue("namespace")


def a_manifest(name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "base", "image": "worker:1"}]},
    }


async def test_a_patch_adds_labels_and_keeps_the_others(rig):
    cluster, namespace = rig
    pod = await cluster.create_pod(namespace, a_manifest("a", old="1"))
    patch = {"metadata": {"uid": pod.metadata.uid, "labels": {"new": "2"}}}
    patched = await cluster.patch_pod(namespace, "a", patch)
    assert patched.metadata.labels == {"old": "1", "new": "2"}
    assert patched.metadata.resource_version != pod.metadata.resource_version


async def test_a_patch_for_another_uid_is_refused(rig):
    cluster, namespace = rig
    await cluster.create_pod(namespace, a_manifest("a"))
    patch = {"metadata": {"uid": "another", "labels": {"new": "2"}}}
    with pytest.raises(ApiError) as caught:
        await cluster.patch_pod(namespace, "a", patch)
    assert caught.value.status == 422
    assert (await cluster.get_pod(namespace, "a")).metadata.labels == {}


async def test_a_patch_of_no_pod_is_not_found(rig):
    cluster, namespace = rig
    with pytest.raises(ApiError) as caught:
        await cluster.patch_pod(namespace, "none", {"metadata": {"labels": {"a": "1"}}})
    assert caught.value.is_not_found


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a=1", ["one"]),
        ("a", ["one", "two"]),
        ("!a", ["three"]),
        ("a!=1", ["three", "two"]),
        ("b=1,!a", ["three"]),
        ("a,b", []),
    ],
)
async def test_selectors(rig, selector, expected):
    cluster, namespace = rig
    for name, labels in (("one", {"a": "1"}), ("two", {"a": "2"}), ("three", {"b": "1"})):
        await cluster.create_pod(namespace, a_manifest(name, **labels))
    page = await cluster.list_pods(namespace, selector=selector, limit=10)
    assert sorted(pod.metadata.name for pod in page.items) == expected


def marking(pod, **labels):
    """Return a patch that only applies to the pod exactly as it was seen."""
    metadata = {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version}
    return {"metadata": metadata | {"labels": labels}}


async def test_a_patch_of_an_older_version_is_a_conflict(rig):
    cluster, namespace = rig
    seen = await cluster.create_pod(namespace, a_manifest("a"))
    await cluster.patch_pod(namespace, "a", marking(seen, first="1"))
    with pytest.raises(ApiError) as caught:
        await cluster.patch_pod(namespace, "a", marking(seen, second="1"))
    assert caught.value.status == 409
    assert (await cluster.get_pod(namespace, "a")).metadata.labels == {"first": "1"}


async def test_of_many_patches_of_one_version_exactly_one_applies(rig):
    cluster, namespace = rig
    seen = await cluster.create_pod(namespace, a_manifest("a"))
    patches = [cluster.patch_pod(namespace, "a", marking(seen, by=str(n))) for n in range(8)]
    answers = await asyncio.gather(*patches, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ApiError)]
    assert len(refused) == 7
    assert {error.status for error in refused} == {409}


async def told(cluster, namespace, selector, version, *, count):
    """Return the first events of a watch, as (type, name)."""
    watch = cluster.watch_pods(
        namespace, selector=selector, resource_version=version, timeout_s=5.0
    )
    async with contextlib.aclosing(watch) as events:
        found = []
        async for event in events:
            if event.type != "BOOKMARK":
                found.append((event.type, event.pod.metadata.name))
            if len(found) == count:
                break
    return found


async def test_a_watch_tells_a_pod_that_ceases_to_match_as_deleted_and_a_new_match_as_added(rig):
    cluster, namespace = rig
    before = await cluster.list_pods(namespace, selector="", limit=10)
    version = before.metadata.resource_version
    pod = await cluster.create_pod(namespace, a_manifest("a", pool="p"))
    claimed = await cluster.patch_pod(namespace, "a", marking(pod, launch="l"))
    await cluster.patch_pod(namespace, "a", marking(claimed, more="1"))
    await cluster.create_pod(namespace, a_manifest("b", pool="p"))
    idle = await told(cluster, namespace, "pool,!launch", version, count=3)
    assert idle == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "b")]
    launched = await told(cluster, namespace, "launch", version, count=2)
    assert launched == [("ADDED", "a"), ("MODIFIED", "a")]


async def test_a_patch_limits_how_long_a_pod_may_run(rig):
    cluster, namespace = rig
    await cluster.create_pod(namespace, a_manifest("a"))
    limit = {"spec": {"activeDeadlineSeconds": 600}}
    patched = await cluster.patch_pod(namespace, "a", limit)
    assert patched.spec.active_deadline_seconds == 600
