"""The janitor as it runs, at a real API server: one, two, by hand, and as its role allows."""

import asyncio
import json

import pytest
from janitor_rig import Rig, airflow, rig
from kube_apiserver import Node, running, write_kubeconfig
from kube_apiserver import connect as connect_to

from tradewind.client.errors import ApiError
from tradewind.janitor import connect, once, view
from tradewind.janitor.policy import Reason
from tradewind.pods import labels
from tradewind.testing.builders import base_ended, base_running

__all__ = ["airflow", "rig"]


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


async def test_an_api_server_that_stops_and_forgets_its_history_is_watched_anew(tmp_path, airflow):
    """As a watch that breaks and cannot go on where it was: 410."""
    (tmp_path / "server").mkdir()
    with running(tmp_path / "server") as server:
        cluster = connect_to(server)
        node = Node(cluster)
        await node.create_namespace("tasks")
        kubeconfig = write_kubeconfig(server, tmp_path / "kubeconfig")
        rig = Rig(cluster, node, "tasks", airflow, kubeconfig, tmp_path)
        await rig.launch("running", base_running())
        rig.over("running", "running")
        async with rig.janitor():
            await rig.launch("before", base_ended(0))
            rig.over("before")
            await rig.left({"running"})
            await asyncio.to_thread(server.restart_compacted)
            await rig.launch("after", base_ended(0))
            rig.over("after")
            await rig.left({"running"})
        await cluster.close()


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
