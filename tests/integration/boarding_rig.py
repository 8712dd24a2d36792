"""The boarding endpoint in this process, before a real kube-apiserver and Airflow's own rows."""

import asyncio
import contextlib
import json
import time
import uuid

import httpx
from fastapi import FastAPI
from issued_tokens import Issuer
from kube_apiserver import connect, credentials
from scheduler_side import a_row

from tradewind import boarding_server, open_launches
from tradewind.boarding.app import create_app
from tradewind.boarding.service import Service
from tradewind.boarding.upkeep import Source
from tradewind.client.http import HttpCluster
from tradewind.client.identity import HttpIdentities
from tradewind.clock import SystemClock
from tradewind.executor import TradewindExecutor
from tradewind.testing.builders import settings

INSTALLATION = "here"
READY_WITHIN_S = 20


class ShiftedClock(SystemClock):
    """A wall clock that is wrong by some seconds."""

    def __init__(self, ahead_s):
        self._ahead_s = ahead_s

    def utc_s(self):
        return time.time() + self._ahead_s


class Rig:
    """Pods, their tokens, and the endpoint they ask."""

    def __init__(self, server, namespace):
        self.server = server
        self.namespace = namespace
        self.admin = connect(server)
        self.issuer = Issuer(self.admin, namespace)

    async def prepare(self):
        await self.issuer.account("worker")
        await self.issuer.account("api-server")
        verbs = ["get", "list", "watch"]
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]
        await self.issuer.role("api-server", rules)

    async def restart(self):
        """Start the stopped server again; connections that were kept broke with it."""
        self.server.start()
        await self.admin.close()
        self.admin = connect(self.server)
        self.issuer = Issuer(self.admin, self.namespace)

    async def close(self):
        await self.admin.close()

    # -- pods

    async def idle_pod(self, name="warm", **more):
        labels = {"tradewind/installation": INSTALLATION, "tradewind/pool": "default"}
        return await self.issuer.pod(name, labels=labels, **more)

    async def pod_of(self, ti, name="cold", **more):
        """Return a pod that was made for the launch of a row."""
        labels = {
            "tradewind/installation": INSTALLATION,
            "tradewind/launch-id": ti.external_executor_id,
        }
        return await self.issuer.pod(name, labels=labels, annotations=claimed(ti.id), **more)

    async def claim(self, pod, ti):
        """Let a row's launch have an idle pod, as an executor does."""
        metadata = {
            "uid": pod.metadata.uid,
            "labels": {"tradewind/launch-id": ti.external_executor_id},
            "annotations": claimed(ti.id),
        }
        await self.admin.patch_pod(self.namespace, pod.metadata.name, {"metadata": metadata})

    async def mark(self, pod, label):
        metadata = {"uid": pod.metadata.uid, "labels": {label: "true"}}
        await self.admin.patch_pod(self.namespace, pod.metadata.name, {"metadata": metadata})

    # -- the endpoint

    @contextlib.asynccontextmanager
    async def serving(self, *, clock=None, **options):
        """Serve with the rights of the API server's own account, and nothing more."""
        token = await self.issuer.token(account="api-server", audience="", seconds=3600)
        signed = credentials(self.server, token=token)
        cluster = HttpCluster(signed, request_timeout_s=10, silence_s=70)
        options = {"namespace": self.namespace, "installation": INSTALLATION} | options
        source = Source(
            cluster=cluster,
            identities=HttpIdentities(cluster.transport),
            settings=settings(**options),
        )
        service = Service(
            lambda: [source],
            hand_over=_hand_over(),
            warm_up=_nothing,
            clock=clock or SystemClock(),
        )
        root = FastAPI()
        root.mount("/tradewind", create_app(service, version="1"))
        running = asyncio.create_task(service.run())
        transport = httpx.ASGITransport(app=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            async with asyncio.timeout(READY_WITHIN_S):
                while service.health().status != "ready":
                    await asyncio.sleep(0.05)
            self._client = client
            try:
                yield service
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def board(self, token=None, *, hold=0, **request):
        """Return (status, document) of a request with that token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = {"protocol": 1, "template": "", "worker": "1", "hold": hold} | request
        answer = await self._client.post(
            "/tradewind/v1/board", json=body, headers=headers, timeout=60
        )
        return answer.status_code, json.loads(answer.content) if answer.content else None


def claimed(row_id):
    return {"tradewind/row-id": str(row_id), "tradewind/claimed-at": f"{time.time():.3f}"}


def a_launch():
    """Return a queued row of Airflow's, with a launch id."""
    ti = a_row()
    assert uuid.UUID(ti.external_executor_id)
    return ti


async def _nothing():
    """There is no Execution API in this process to warm up."""


def _hand_over():
    executor = TradewindExecutor()

    def mint(subject, life_s):
        return boarding_server._mint(executor, subject, life_s)

    async def hand_over(claim):
        return await asyncio.to_thread(open_launches.take, claim, mint=mint, token_ttl_s=120)

    return hand_over
