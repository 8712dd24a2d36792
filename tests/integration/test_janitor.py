"""The janitor as it runs, at a real API server: every kind of orphan, and its opposite."""

import asyncio
import contextlib
import json
import uuid

import pytest
from aiohttp import web
from airflow_stub import AirflowStub

from tradewind.client.errors import ApiError
from tradewind.janitor import connect, handlers, once, settings, view
from tradewind.janitor.policy import Reason
from tradewind.pods import labels
from tradewind.testing.builders import base_ended, base_running, base_waiting

WITHIN_S = 60
OURS = "ours"
SIDECAR = [{"name": "base", "image": "worker:1"}, {"name": "proxy", "image": "proxy:1"}]


@pytest.fixture
async def airflow():
    stub = AirflowStub()
    await stub.server.start_server()
    yield stub
    await stub.server.close()


class Rig:
    def __init__(self, cluster, node, namespace, airflow, kubeconfig, tmp_path):
        self.cluster = cluster
        self.node = node
        self.namespace = namespace
        self.airflow = airflow
        self.kubeconfig = kubeconfig
        self.password = tmp_path / "password"
        self.password.write_text("geheim")

    def settings(self, **changed):
        """Return settings with which proofs have to last a second."""
        given = {
            "namespaces": self.namespace,
            "installation": OURS,
            "airflow_url": self.airflow.url,
            "airflow_username": "janitor",
            "airflow_password_file": str(self.password),
            "kubeconfig": str(self.kubeconfig),
            "sweep_interval_s": 1.0,
            "age_floor_s": 1.0,
            "ended_grace_s": 1.0,
            "pending_grace_s": 1.0,
            "running_grace_s": 1.0,
            "leaving_grace_s": 1.0,
            "reads_nodes": True,
            "dry_run": False,
            "identity": "a",
            "port": 0,
        }
        return settings.load({}, **(given | changed))

    async def launch(self, name, status=None, *, spec=None, said=None, notes=None, **metadata):
        marks = {labels.LAUNCH_ID: str(uuid.uuid4()), labels.INSTALLATION: OURS}
        task = {"dag_id": "etl", "task_id": name, "run_id": "r", "try_number": "1"}
        base = {"containers": [{"name": "base", "image": "worker:1"}], "restartPolicy": "Never"}
        manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": {k: v for k, v in (marks | (said or {})).items() if v is not None},
                "annotations": task | {labels.ROW_ID: f"row-{name}"} | (notes or {}),
                **metadata,
            },
            "spec": base | (spec or {}),
        }
        await self.cluster.create_pod(self.namespace, manifest)
        if status is not None:
            await self.node.set_status(self.namespace, name, status)

    def over(self, name, state="failed", **row):
        self.airflow.tell(name, state, **({"row_id": f"row-{name}"} | row))

    async def names(self):
        page = await self.cluster.list_pods(self.namespace, selector="", limit=1000)
        return {pod.metadata.name for pod in page.items}

    async def left(self, expected, *, within_s=WITHIN_S):
        """Wait until exactly these pods are left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while await self.names() != expected:
                    await asyncio.sleep(0.3)
        assert await self.names() == expected

    @contextlib.asynccontextmanager
    async def janitor(self, **changed):
        stop = asyncio.Event()
        task = asyncio.create_task(handlers.serve(self.settings(**changed), stop=stop))
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)

    async def events(self, name):
        path = f"/api/v1/namespaces/{self.namespace}/events"
        found = json.loads(await self.cluster.transport.call("GET", path))["items"]
        return [(e["reason"], e["message"]) for e in found if e["involvedObject"]["name"] == name]


@pytest.fixture
def rig(real_cluster, node, namespace, airflow, kubeconfig, tmp_path):
    return Rig(real_cluster, node, namespace, airflow, kubeconfig, tmp_path)


async def orphans(rig):
    """Create one pod of every kind that nobody owns any more."""
    await rig.launch("scheduler-died-after-create", {"phase": "Pending"})
    rig.over("scheduler-died-after-create", "scheduled")
    await rig.launch("watch-gap", base_ended(0))
    rig.over("watch-gap", "success")
    await rig.launch("failed-of-a-succeeded-task", base_ended(1))
    rig.over("failed-of-a-succeeded-task", "success")
    await rig.launch("never-started-twice", base_ended(1, reason="StartError"))
    rig.over("never-started-twice", "queued", row_id="row-next", try_number=2)
    await rig.launch("image-pull", base_waiting("ImagePullBackOff"))
    rig.over("image-pull")
    await rig.launch("cleared-while-running", base_running())
    rig.over("cleared-while-running", "running", row_id="row-next", try_number=2)
    await rig.launch("heartbeat-lost-and-retried", base_running())
    rig.over("heartbeat-lost-and-retried", "up_for_retry", row_id="row-next")
    await rig.launch("deleted-dag", base_running())
    await rig.launch("deleted-run", base_running(), notes={"run_id": "deleted"})
    held = base_ended(0) | {"phase": "Running"}
    await rig.launch("sidecar-holds", held, spec={"containers": SIDECAR})
    rig.over("sidecar-holds", "success")
    await rig.launch("phase-unknown", base_running() | {"phase": "Unknown"})
    rig.over("phase-unknown")
    lost = {"nodeName": "lost-node", "terminationGracePeriodSeconds": 1}
    await rig.launch("node-lost", base_running(), spec=lost)
    rig.over("node-lost")
    await rig.node.vanish(rig.namespace, "node-lost")
    await rig.launch("claimed-warm-pod", base_running(), said={labels.POOL: "small"})
    rig.over("claimed-warm-pod")


async def healthy(rig):
    """Create pods that somebody owns, whatever they look like; return their names."""
    await rig.launch("running", base_running())
    rig.over("running", "running")
    await rig.launch("pending", {"phase": "Pending"})
    rig.over("pending", "queued")
    await rig.launch("ended-a-moment-ago", base_ended(0))
    rig.over("ended-a-moment-ago", "running")
    await rig.launch("restarting", base_running())
    rig.over("restarting", "restarting")
    await rig.launch("silent-node", base_running() | {"phase": "Unknown"})
    rig.over("silent-node", "running")
    await rig.launch("kept", base_ended(1), notes={labels.KEEP: "true"})
    rig.over("kept")
    operator = {"kubernetes_pod_operator": "True"}
    await rig.launch("operators-child", base_running(), said=operator)
    rig.over("operators-child", "deferred")
    await rig.launch("of-another-airflow", base_running(), said={labels.INSTALLATION: "another"})
    await rig.launch("not-a-task", base_running(), said={labels.LAUNCH_ID: None})
    await rig.launch("callback", base_ended(0), said={labels.WORKLOAD: "callback"})
    idle = {labels.LAUNCH_ID: None, labels.POOL: "small"}
    await rig.launch("idle-warm-pod", base_running(), said=idle)
    await rig.launch("hostile", base_running(), notes={"dag_id": "../../x", "run_id": "r\n"})
    held = {"finalizers": ["example.com/hold"]}
    await rig.launch("foreign-finalizer", base_ended(0), **held)
    rig.over("foreign-finalizer")
    await rig.node.vanish(rig.namespace, "foreign-finalizer")
    return await rig.names()


async def test_every_orphan_goes_and_every_other_pod_stays(rig):
    survivors = await healthy(rig)
    await orphans(rig)
    async with rig.janitor():
        await rig.left(survivors)
        await asyncio.sleep(4)
        assert await rig.names() == survivors
    pod = await rig.cluster.get_pod(rig.namespace, "running")
    assert not pod.metadata.finalizers
    assert not any("kopf" in name for name in pod.metadata.annotations)
    assert await rig.events("watch-gap") == [
        ("OrphanDeleted", "ended and was left behind: try 1 is success")
    ]
    assert [reason for reason, _ in await rig.events("foreign-finalizer")] == ["OrphanStuck"]
    held = await rig.cluster.get_pod(rig.namespace, "foreign-finalizer")
    assert held.metadata.finalizers == ("example.com/hold",)


BROKEN = [
    pytest.param(lambda: web.json_response({"detail": "oops"}, status=500), id="500"),
    pytest.param(lambda: web.Response(text="<title>Sign in</title>"), id="HTML"),
    pytest.param(lambda: web.json_response({"detail": "no"}, status=403), id="403"),
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_while_airflow_answers_oddly_nothing_goes_and_afterwards_it_does(rig, answer):
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    rig.airflow.broken = answer
    async with rig.janitor():
        await asyncio.sleep(5)
        assert await rig.names() == {"orphan"}
        rig.airflow.broken = None
        await rig.left(set())


async def test_an_unreachable_airflow_keeps_every_pod(rig):
    await rig.launch("orphan", base_ended(0))
    async with rig.janitor(airflow_url="http://127.0.0.1:9"):
        await asyncio.sleep(5)
        assert await rig.names() == {"orphan"}


async def test_two_janitors_share_a_storm_of_deletions_without_a_fault(rig):
    await rig.launch("running", base_running())
    rig.over("running", "running")
    for number in range(40):
        await rig.launch(f"orphan-{number}", base_ended(number % 2))
        rig.over(f"orphan-{number}")
    async with rig.janitor(identity="a"), rig.janitor(identity="b"):
        await rig.left({"running"})
    async with rig.janitor(identity="b"):
        await rig.launch("late", base_ended(0))
        rig.over("late")
        await rig.left({"running"})


async def test_a_killed_janitor_leaves_nothing_that_holds_a_pod(rig):
    await rig.launch("running", base_running())
    rig.over("running", "running")
    task = asyncio.create_task(handlers.serve(rig.settings()))
    await asyncio.sleep(4)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await rig.node.vanish(rig.namespace, "running")
    await rig.left(set(), within_s=10)


async def test_pods_that_come_and_end_while_it_runs_are_seen(rig):
    async with rig.janitor():
        await asyncio.sleep(3)
        await rig.launch("later", base_running())
        rig.over("later", "running")
        await asyncio.sleep(3)
        assert await rig.names() == {"later"}
        await rig.node.set_status(rig.namespace, "later", base_ended(0))
        rig.over("later", "success")
        await rig.left(set())


async def test_what_a_removed_executor_leaves_goes_when_somebody_says_so(rig):
    idle = {labels.LAUNCH_ID: None, labels.POOL: "small"}
    await rig.launch("idle", base_running(), said=idle)
    await rig.launch("task", base_running())
    rig.over("task", "running")
    async with rig.janitor(removed="executor"):
        await rig.left({"task"})
    gone = {"airflow_url": "", "airflow_username": "", "airflow_password_file": ""}
    async with rig.janitor(removed="installation", identity="a", **gone):
        await rig.left(set())


async def test_a_sweep_by_hand_tells_and_deletes_only_when_told_to(rig):
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    await asyncio.sleep(1.5)
    told = await once.sweep(rig.settings(dry_run=True), tells_all=True, wait_s=0.0)
    assert [found.verdict.reason for found in told.findings] == [Reason.LEFT_BEHIND]
    assert once.as_dict(told, dry_run=True)["pods"][0]["dag_id"] == "etl"
    assert await rig.names() == {"orphan"}
    done = await once.sweep(rig.settings(), tells_all=False, wait_s=2.0)
    assert [found.outcome.value for found in done.findings] == ["deleted"]
    assert await rig.names() == set()


async def test_a_changed_pod_is_not_deleted(rig):
    await rig.launch("pod", base_running())
    seen = view.of(await rig.cluster.get_pod(rig.namespace, "pod"))
    await rig.node.set_status(rig.namespace, "pod", base_ended(0))
    kube = connect.kube(rig.settings())
    with pytest.raises(ApiError) as caught:
        await kube.delete(seen, force=False)
    await kube.close()
    assert caught.value.status == 409
    assert await rig.names() == {"pod"}


RULES = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["tradewind-janitor"],
        "verbs": ["get", "update"],
    },
]
"""As in chart/templates/janitor/role.yaml."""


async def test_the_role_of_the_chart_is_all_it_needs(rig):
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    rig.kubeconfig.write_text(
        rig.kubeconfig.read_text().replace(await admin_token(rig), await role_token(rig))
    )
    async with rig.janitor():
        await rig.left(set())
    assert await rig.events("orphan")


async def admin_token(rig):
    proof = await rig.cluster.transport._credentials.prover.proof()
    return proof.authorization.removeprefix("Bearer ")


async def role_token(rig):
    """Return a token of an account that may do what the chart's Role allows, and no more."""
    call = rig.cluster.transport.call
    space, name = f"namespaces/{rig.namespace}", {"metadata": {"name": "janitor"}}
    rbac = "rbac.authorization.k8s.io"
    await call("POST", f"/api/v1/{space}/serviceaccounts", body=name)
    await call("POST", f"/apis/{rbac}/v1/{space}/roles", body=name | {"rules": RULES})
    subject = {"kind": "ServiceAccount", "name": "janitor", "namespace": rig.namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": "janitor"}
    binding = name | {"roleRef": role, "subjects": [subject]}
    await call("POST", f"/apis/{rbac}/v1/{space}/rolebindings", body=binding)
    path = f"/api/v1/{space}/serviceaccounts/janitor/token"
    return json.loads(await call("POST", path, body={"spec": {}}))["status"]["token"]
