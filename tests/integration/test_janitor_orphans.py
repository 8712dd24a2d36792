"""Every way in which a pod loses its owner, at a real API server, and its opposite.

docs/janitor.md lists the cases by the names that they have here.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass, field

import pytest
from janitor_rig import airflow, rig

from tradewind.client.errors import ApiError
from tradewind.pods import labels
from tradewind.testing.builders import base_ended, base_running, base_waiting

__all__ = ["airflow", "rig"]

SIDECAR = [{"name": "base", "image": "worker:1"}, {"name": "proxy", "image": "proxy:1"}]
NEXT = {"row_id": "row-next", "try_number": 2}
PENDING = {"phase": "Pending"}
UNSCHEDULABLE = PENDING | {
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
}
IDLE = {"said": {labels.LAUNCH_ID: None, labels.POOL: "small"}}
HELD = {"finalizers": ["example.com/hold"]}
OUT_OF_SERVICE = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
NODES = {"tainted": [OUT_OF_SERVICE], "here": []}
"""Nodes that there are, by their taints; any other name is of one that is gone."""


@dataclass(frozen=True)
class Case:
    """A pod, and what Airflow says of the task that it is named after."""

    status: dict
    state: str | None = "failed"
    """None where Airflow knows no such task instance, or another case tells of it."""
    row: dict = field(default_factory=dict)
    pod: dict = field(default_factory=dict)
    node: str = ""
    """Where it was asked to go and does not."""
    leaves: bool = False


def twin(name):
    """Return what makes a pod another one of the same try."""
    return {"notes": {"task_id": name, labels.ROW_ID: f"row-{name}"}}


ORPHANS = {
    "scheduler-died-after-create": Case(PENDING, "scheduled"),
    "created-twice": Case(base_running(), "success"),
    "created-twice-again": Case(base_running(), None, pod=twin("created-twice")),
    "watch-gap": Case(base_ended(0), "success"),
    "failed": Case(base_ended(1)),
    "evicted": Case({"phase": "Failed", "reason": "Evicted"}),
    "failed-of-a-succeeded-task": Case(base_ended(1), "success"),
    "never-started-twice": Case(base_ended(1, reason="StartError"), "queued", NEXT),
    "image-pull": Case(base_waiting("ImagePullBackOff")),
    "container-config": Case(base_waiting("CreateContainerConfigError")),
    "unschedulable": Case(UNSCHEDULABLE),
    "cleared-while-running": Case(base_running(), "running", NEXT),
    "marked-while-running": Case(base_running(), "success"),
    "heartbeat-lost-and-retried": Case(base_running(), "up_for_retry", {"row_id": "row-next"}),
    "deferred-and-left": Case(base_ended(0), "deferred"),
    "deleted-dag": Case(base_running(), None),
    "deleted-run": Case(base_running(), None, pod={"notes": {"run_id": "deleted"}}),
    "sidecar-holds": Case(
        base_ended(0) | {"phase": "Running"}, "success", pod={"spec": {"containers": SIDECAR}}
    ),
    "phase-unknown": Case(base_running() | {"phase": "Unknown"}),
    "node-gone": Case(base_running(), node="gone", leaves=True),
    "node-out-of-service": Case(base_running(), node="tainted", leaves=True),
    "claimed-warm-pod": Case(base_running(), pod={"said": {labels.POOL: "small"}}),
}
SURVIVORS = {
    "running": Case(base_running(), "running"),
    "running-twice": Case(base_running(), "running"),
    "running-twice-again": Case(base_running(), None, pod=twin("running-twice")),
    "pending": Case(PENDING, "queued"),
    "pulling": Case(base_waiting("ImagePullBackOff"), "queued"),
    "ended-a-moment-ago": Case(base_ended(0), "running"),
    "restarting": Case(base_running(), "restarting"),
    "silent-node": Case(base_running() | {"phase": "Unknown"}, "running"),
    "kept": Case(base_ended(1), pod={"notes": {labels.KEEP: "true"}}),
    "operators-child": Case(
        base_running(), "deferred", pod={"said": {"kubernetes_pod_operator": "True"}}
    ),
    "operators-ended-child": Case(
        base_ended(0), "deferred", pod={"said": {"kubernetes_pod_operator": "True"}}
    ),
    "of-another-airflow": Case(base_running(), None, pod={"said": {labels.INSTALLATION: "other"}}),
    "not-a-task": Case(base_running(), None, pod={"said": {labels.LAUNCH_ID: None}}),
    "callback": Case(base_ended(0), None, pod={"said": {labels.WORKLOAD: "callback"}}),
    "idle-warm-pod": Case(base_running(), None, pod=IDLE),
    "hostile-names": Case(
        base_running(), None, pod={"notes": {"dag_id": "../../x", "run_id": "r\n"}}
    ),
    "hostile-numbers": Case(
        base_ended(0), pod={"notes": {"try_number": "1e999", "map_index": "\u0661"}}
    ),
    "hostile-length": Case(
        base_ended(0), None, pod={"notes": {"task_id": "x" * 200_000, labels.ROW_ID: "\u202e\x7f"}}
    ),
    "foreign-finalizer": Case(base_ended(0), pod=HELD, leaves=True),
    "stuck-on-a-node-that-is-there": Case(base_running(), node="here", leaves=True),
}


async def create(rig, cases):
    for name, case in cases.items():
        pod = dict(case.pod)
        if case.node:
            spec = {"nodeName": f"{rig.namespace}-{case.node}", "terminationGracePeriodSeconds": 1}
            pod["spec"] = spec
        await rig.launch(name, case.status, **pod)
        if case.state is not None:
            rig.over(name, case.state, **case.row)
        if case.leaves:
            await rig.node.vanish(rig.namespace, name)


@pytest.fixture
async def nodes(rig):
    call = rig.cluster.transport.call
    for name, taints in NODES.items():
        metadata = {"name": f"{rig.namespace}-{name}"}
        body = {"kind": "Node", "apiVersion": "v1", "metadata": metadata}
        await call("POST", "/api/v1/nodes", body=body | {"spec": {"taints": taints}})
    yield
    for name in NODES:
        await call("DELETE", f"/api/v1/nodes/{rig.namespace}-{name}")


@pytest.mark.usefixtures("nodes")
async def test_every_orphan_goes_and_every_other_pod_stays(rig):
    await create(rig, SURVIVORS)
    await create(rig, ORPHANS)
    assert await rig.names() == ORPHANS.keys() | SURVIVORS.keys()
    async with rig.janitor():
        await rig.left(set(SURVIVORS))
        await asyncio.sleep(4)
        assert await rig.names() == set(SURVIVORS)
    pod = await rig.cluster.get_pod(rig.namespace, "running")
    assert not pod.metadata.finalizers
    assert not any("kopf" in name for name in pod.metadata.annotations)
    assert await rig.events("watch-gap") == [
        ("OrphanDeleted", "ended and was left behind: try 1 is success")
    ]
    for stuck in ("foreign-finalizer", "stuck-on-a-node-that-is-there"):
        assert [reason for reason, _ in await rig.events(stuck)] == ["OrphanStuck"]
    held = await rig.cluster.get_pod(rig.namespace, "foreign-finalizer")
    assert held.metadata.finalizers == ("example.com/hold",)


async def test_pods_of_each_namespace_it_is_given_go_and_those_of_others_stay(rig):
    second, third = f"{rig.namespace}-b", f"{rig.namespace}-c"
    for namespace in (second, third):
        await rig.node.create_namespace(namespace)
        await rig.launch("orphan", base_ended(0), namespace=namespace)
        await rig.launch("running", base_running(), namespace=namespace)
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    rig.over("running", "running")
    async with rig.janitor(namespaces=f"{rig.namespace},{second}"):
        await rig.left(set())
        await rig.left({"running"}, namespace=second)
    assert await rig.names(third) == {"orphan", "running"}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"age_floor_s": 300.0}, id="fresh"),
        pytest.param({"ended_grace_s": 300.0}, id="proof-of-a-moment"),
        pytest.param({"dry_run": True}, id="dry-run"),
        pytest.param({"installation": "another"}, id="installation-of-another-name"),
    ],
)
async def test_no_pod_goes_before_its_time_or_for_another(rig, changed):
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    async with rig.janitor(**changed):
        await asyncio.sleep(4)
    assert await rig.names() == {"orphan"}


async def test_failed_pods_that_are_kept_for_users_go_after_their_time(rig):
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    await rig.launch("failed-long-ago", base_ended(1, finishedAt="2026-01-01T00:00:00Z"))
    await rig.launch("failed-just-now", base_ended(1, finishedAt=now))
    await rig.launch("succeeded", base_ended(0, finishedAt=now))
    for name in await rig.names():
        rig.over(name)
    async with rig.janitor(keeps_failed=True, kept_ttl_s=600.0):
        await rig.left({"failed-just-now"})


async def test_a_task_that_waits_behind_a_quota_keeps_the_pod_that_it_gets(rig):
    path = f"/api/v1/namespaces/{rig.namespace}/resourcequotas"
    body = {"metadata": {"name": "tasks"}, "spec": {"hard": {"pods": "1"}}}
    await rig.cluster.transport.call("POST", path, body=body)
    await say_used(rig, f"{path}/tasks", "1")
    rig.over("waits", "queued")
    async with rig.janitor():
        with pytest.raises(ApiError, match="exceeded quota"):
            await rig.launch("waits", PENDING)
        await asyncio.sleep(2)
        await say_used(rig, f"{path}/tasks", "0")
        await rig.launch("waits", UNSCHEDULABLE)
        await asyncio.sleep(4)
    assert await rig.names() == {"waits"}


async def say_used(rig, path, pods):
    """Write the quota's status, as its controller would, and let the API server learn of it."""
    status = {"hard": {"pods": "1"}, "used": {"pods": pods}}
    await rig.node._patch(f"{path}/status", {"status": status})
    await asyncio.sleep(2)
