"""Events as the API server sends them: the kubelet's old kind and the scheduler's new one."""

import json

import msgspec
import pytest

from tradewind.client.errors import ApiError
from tradewind.client.models import Event, EventPage
from tradewind.testing.fake_cluster import FakeCluster

KUBELETS = {
    "metadata": {"name": "etl-load.17a", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "involvedObject": {"kind": "Pod", "namespace": "tasks", "name": "etl-load", "uid": "u1"},
    "reason": "FailedMount",
    "message": 'MountVolume.SetUp failed for volume "creds" : secret "db" not found',
    "source": {"component": "kubelet", "host": "node-1"},
    "firstTimestamp": "2026-01-01T00:00:01Z",
    "lastTimestamp": "2026-01-01T00:01:05Z",
    "count": 7,
    "type": "Warning",
    "eventTime": None,
    "reportingComponent": "kubelet",
    "reportingInstance": "node-1",
}
SCHEDULERS = {
    "metadata": {"name": "etl-load.17b", "creationTimestamp": None},
    "involvedObject": {"kind": "Pod", "namespace": "tasks", "name": "etl-load", "uid": "u1"},
    "reason": "FailedScheduling",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "type": "Warning",
    "eventTime": "2026-01-01T00:00:00.123456Z",
    "action": "Scheduling",
    "reportingComponent": "default-scheduler",
}
REPEATED = SCHEDULERS | {"series": {"count": 4, "lastObservedTime": "2026-01-01T00:09:00.5Z"}}


@pytest.mark.parametrize(
    ("raw", "times", "last_seen"),
    [
        pytest.param(KUBELETS, 7, "2026-01-01T00:01:05", id="the-kubelet-counts"),
        pytest.param(SCHEDULERS, 1, "2026-01-01T00:00:00.123456", id="the-scheduler-said-it-once"),
        pytest.param(REPEATED, 4, "2026-01-01T00:09:00.5", id="the-scheduler-keeps-a-series"),
        pytest.param({}, 1, "", id="nothing-told"),
    ],
)
def test_both_kinds_of_events_tell_how_often_and_when_last(raw, times, last_seen):
    event = msgspec.json.decode(json.dumps(raw), type=Event)
    assert (event.times, event.last_seen) == (times, last_seen)
    assert event.message == raw.get("message", "")


def test_whole_seconds_and_fractions_sort_by_time():
    stamps = ["2026-01-01T00:00:00.9Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:00Z"]
    events = sorted((Event(last_timestamp=stamp) for stamp in stamps), key=lambda e: e.last_seen)
    assert [event.last_timestamp for event in events] == [stamps[2], stamps[0], stamps[1]]


def test_an_empty_list_has_no_events():
    assert msgspec.json.decode(b'{"metadata": {}, "items": []}', type=EventPage).items == ()


async def test_the_fake_lists_by_uid_and_can_be_told_to_fail():
    cluster = FakeCluster()
    pod = await cluster.create_pod("tasks", {"metadata": {"name": "a"}, "spec": {}})
    await cluster.add_event("tasks", "a", {"reason": "FailedMount"})
    await cluster.vanish("tasks", "a")
    uid = pod.metadata.uid
    assert [e.reason for e in await cluster.list_events("tasks", pod_uid=uid, limit=9)] == [
        "FailedMount"
    ]
    cluster.fail("events", ApiError(403, reason="Forbidden"))
    with pytest.raises(ApiError):
        await cluster.list_events("tasks", pod_uid=uid, limit=9)
    assert cluster.count("events") == 2
