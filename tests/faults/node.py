"""Kubelet and worker without a container: what they ask of both API servers, for every task pod.

Each pod is bound to a node, boards with a token that the API server issued for it, asks Airflow's
Execution API whether its task may start, and tells it how it ended. Every step leaves a mark.
"""

import asyncio
import contextlib
import datetime as dt
import json
import random
import time

import aiohttp
from decisions import Fate, subject_of
from issued_tokens import Issuer

from tradewind import contract
from tradewind.client.errors import ApiError, ClusterError
from tradewind.contract import EXIT_DONE, EXIT_NOT_STARTED, SERVER_TIME, Farewell
from tradewind.testing.builders import base_ended, base_running
from tradewind.worker.answers import Again, Answer, End, Patience, read

PATCH = "application/strategic-merge-patch+json"
NODE = "stage"
BOARDS_WITHIN_S = 300
TELLS_WITHIN_S = 180
"""How long Airflow's worker goes on telling an end, generously."""
AGAIN_S = 0.5
NOT_THERE = frozenset({404, 409, 422})


class Node:
    """Plays all pods that a reflector tells of."""

    def __init__(self, cluster, *, namespace, airflow_url, script, dag_id, tell):
        self._cluster = cluster
        self._namespace = namespace
        self._issuer = Issuer(cluster, namespace)
        self._airflow_url = airflow_url
        self._fate = Fate(script)
        self._dag_id = dag_id
        self._tell = tell
        self._plays = {}
        """Task by uid of the pod; kept when it is over."""
        self._session = None

    @contextlib.asynccontextmanager
    async def open(self):
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as self._session:
            try:
                yield self
            finally:
                for play in self._plays.values():
                    play.cancel()
                await asyncio.gather(*self._plays.values(), return_exceptions=True)

    def on_change(self, change):
        metadata = change.pod.metadata
        if metadata.annotations.get("dag_id") != self._dag_id:
            return  # Left by a script that came to no end.
        play = self._plays.get(metadata.uid)
        if play is None and not change.gone and not metadata.deletion_timestamp:
            self._plays[metadata.uid] = asyncio.create_task(self._play(change.pod))
        elif play is not None and (change.gone or metadata.deletion_timestamp):
            play.cancel()

    async def _play(self, pod):
        metadata = pod.metadata
        subject = subject_of(annotations=metadata.annotations, labels=metadata.labels)
        try:
            await self._live(pod, subject)
        except asyncio.CancelledError:
            self._mark("stopped", pod)
            await asyncio.shield(self._remove(metadata))
        except Exception as error:  # noqa: BLE001 - told, and fails the run
            if getattr(error, "status", 0) not in NOT_THERE:
                self._mark("broken", pod, why=repr(error))

    async def _live(self, pod, subject):
        name = pod.metadata.name
        await asyncio.sleep(self._fate.start_s(subject))
        if self._fate.deletes_pending(subject):
            self._mark("deleted", pod)
            await self._remove(pod.metadata)
            return
        if self._fate.evicts_pending(subject):
            self._mark("evicted", pod)
            said = {"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"}
            await self._set(name, said)
            return
        await self._bind(name)
        await self._set(name, base_running())
        exit_code, farewell = await self._work(pod)
        await self._set(name, base_ended(exit_code, message=farewell.encode()))

    # -- the worker

    async def _work(self, pod):
        """Return exit code and farewell, as the worker has them."""
        boarded = await self._board(pod)
        if isinstance(boarded, End):
            self._mark("refused", pod, by="endpoint", why=boarded.reason)
            return boarded.exit_code, Farewell(ended=boarded.ended, reason=boarded.reason)
        workload = json.loads(boarded.workload)
        ti = workload["ti"]
        self._mark("boarded", pod)
        task = {"Authorization": f"Bearer {workload['token']}"}
        start = {"state": "running", "hostname": pod.metadata.name, "unixname": "worker", "pid": 1}
        status, said = await self._told(ti, "run", start | {"start_date": _now()}, headers=task)
        if status != 200:
            self._mark("refused", pod, by="Airflow", why=said[:200], status=status)
            if status in {404, 409}:
                return EXIT_DONE, Farewell(ended="superseded", reason="no longer queued")
            return EXIT_NOT_STARTED, Farewell(ended="not_started", reason=f"Airflow: {status}")
        self._mark("start", pod, launch_id=pod.metadata.labels["tradewind/launch-id"])
        started_s = time.time()
        fails = self._fate.fails(map_index=ti["map_index"], try_number=ti["try_number"])
        await asyncio.sleep(self._fate.task_s(f"{ti['map_index']}/{ti['try_number']}"))
        end = {"state": "failed"} if fails else {"state": "success"}
        # Before it is told: the reply may be lost, and the row says it then.
        self._mark("end", pod, state=end["state"])
        if not fails:
            end |= {"task_outlets": [], "outlet_events": []}
        else:
            end = {"state": "up_for_retry"}
        status, said = await self._told(ti, "state", end | {"end_date": _now()}, headers=task)
        if status not in {200, 204}:
            self._mark("untold", pod, status=status, why=said[:200])
        return EXIT_DONE, Farewell(ended="ran", run_s=started_s)

    async def _board(self, pod):
        """Ask the endpoint as the worker does, with the worker's own table of answers."""
        url = self._airflow_url + contract.URL_PREFIX + contract.BOARD_PATH
        rng = random.Random(pod.metadata.uid)
        patience = Patience(started_s=time.monotonic(), budget_s=BOARDS_WITHIN_S, rng=rng)
        while True:
            said = read(await self._asked(url, pod), url=url)
            if not isinstance(said, Again):
                return said
            step = patience.judge(said, now_s=time.monotonic())
            if isinstance(step, End):
                return step
            await asyncio.sleep(step.seconds)

    async def _asked(self, url, pod):
        try:
            token = await self._issuer.token(account="worker", pod=pod)
            body = {"protocol": contract.PROTOCOL, "template": "", "worker": "1", "hold": 5}
            headers = {"Authorization": f"Bearer {token}"}
            async with self._session.post(url, json=body, headers=headers) as answer:
                return Answer(
                    status=answer.status,
                    ours=SERVER_TIME in answer.headers,
                    body=await answer.read(),
                )
        except (aiohttp.ClientError, ClusterError, TimeoutError, OSError) as error:
            return Answer(detail=str(error))

    async def _told(self, ti, what, body, *, headers):
        """Tell the Execution API, again while it does not answer; return (status, text)."""
        url = f"{self._airflow_url}/execution/task-instances/{ti['id']}/{what}"
        until_s = time.monotonic() + TELLS_WITHIN_S
        while True:
            status, text = 0, "no answer"
            try:
                async with self._session.patch(url, json=body, headers=headers) as answer:
                    status, text = answer.status, await answer.text()
                    # The workload's token is good for one start; the answer brings the task's.
                    if fresh := answer.headers.get("Refreshed-API-Token"):
                        headers["Authorization"] = f"Bearer {fresh}"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                text = str(error)
            if 0 < status < 500 or time.monotonic() > until_s:
                return status, text
            await asyncio.sleep(AGAIN_S)

    # -- the kubelet

    async def _bind(self, name):
        """Give the pod to a node: from now on only its kubelet ends its deletion."""
        kind = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}}
        target = {"target": {"kind": "Node", "name": NODE}}
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/binding"
        with contextlib.suppress(ApiError):  # Bound already, when the answer was lost.
            await self._surely("POST", path, body=kind | target)

    async def _set(self, name, status):
        path = f"/api/v1/namespaces/{self._namespace}/pods/{name}/status"
        await self._surely("PATCH", path, body={"status": status}, content_type=PATCH)

    async def _remove(self, metadata):
        path = f"/api/v1/namespaces/{self._namespace}/pods/{metadata.name}"
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata.uid}}
        with contextlib.suppress(ApiError):
            await self._surely("DELETE", path, body=body)

    async def _surely(self, method, path, **how):
        """Repeat the call for as long as the API server is away."""
        while True:
            try:
                return await self._cluster.transport.call(method, path, **how)
            except ApiError as error:
                if error.status < 500 and error.status != 429:
                    raise
            except ClusterError:
                pass
            await asyncio.sleep(AGAIN_S)

    def _mark(self, kind, pod, **fields):
        said = pod.metadata.annotations
        task = {"map_index": int(said["map_index"]), "try_number": int(said["try_number"])}
        self._tell("worker", kind, pod=pod.metadata.name, **task, **fields)


def _now():
    return dt.datetime.now(dt.UTC).isoformat()
