"""What a takeover relies on, claimed of the real API server and of its fake alike."""

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
