"""A janitor at a real API server, an Airflow that says what a test says, and pods to judge."""

import asyncio
import contextlib
import json
import uuid

import pytest
from airflow_stub import AirflowStub

from tradewind.janitor import handlers, settings
from tradewind.pods import labels

WITHIN_S = 60
OURS = "ours"


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

    def given(self, **changed):
        """Return settings with which proofs have to last a second."""
        return {
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
        } | changed

    def settings(self, **changed):
        return settings.load({}, **self.given(**changed))

    async def launch(
        self, name, status=None, *, spec=None, said=None, notes=None, namespace=None, **metadata
    ):
        namespace = namespace or self.namespace
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
        await self.cluster.create_pod(namespace, manifest)
        if status is not None:
            await self.node.set_status(namespace, name, status)

    def over(self, name, state="failed", **row):
        self.airflow.tell(name, state, **({"row_id": f"row-{name}"} | row))

    async def names(self, namespace=None):
        page = await self.cluster.list_pods(namespace or self.namespace, selector="", limit=1000)
        return {pod.metadata.name for pod in page.items}

    async def left(self, expected, *, within_s=WITHIN_S, namespace=None):
        """Wait until exactly these pods are left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while await self.names(namespace) != expected:
                    await asyncio.sleep(0.3)
        assert await self.names(namespace) == expected

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
