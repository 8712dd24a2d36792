"""Peers that fall silent, at real sockets and a real API server: no FIN, no reset, no byte."""

import asyncio
import contextlib
import dataclasses

import pytest
from kube_apiserver import credentials
from silent_proxy import SilentProxy

from tradewind import metrics
from tradewind.client.http import HttpCluster
from tradewind.clock import SystemClock
from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks
from tradewind.pods import names
from tradewind.testing.builders import a_launch, settings
from tradewind.testing.recorded_metrics import RecordedMetrics
from tradewind.watch.reflector import Reflector

LAUNCH = "tradewind/launch-id"
DEADLINE_S = 1.0
WITHIN_S = 30


def a_manifest(namespace, name, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {LAUNCH: "x"} | labels},
        "spec": {"containers": [{"name": "base", "image": "worker:1"}], "restartPolicy": "Never"},
    }


class Renderer:
    def __init__(self, namespace):
        self._namespace = namespace

    async def render(self, launch, *, ordinal):
        name = names.pod_name("d", "t", launch_id=launch.launch_id, ordinal=ordinal)
        own = {LAUNCH: str(launch.launch_id), "tradewind/ordinal": str(ordinal)}
        return a_manifest(self._namespace, name, **own)


@pytest.fixture
def proxy():
    return SilentProxy()


@pytest.fixture
def measured():
    return RecordedMetrics()


@pytest.fixture
async def behind(api_server, proxy, measured):
    """Return a cluster whose every byte goes through the proxy, with a deadline of a second."""
    signed = credentials(api_server, token=api_server.token)
    async with proxy.before(api_server.server) as url:
        cluster = HttpCluster(
            dataclasses.replace(signed, server=url),
            request_timeout_s=DEADLINE_S,
            silence_s=DEADLINE_S,
            measured=measured,
        )
        yield cluster
        await cluster.close()


@contextlib.asynccontextmanager
async def running(part):
    task = asyncio.create_task(part.run())
    try:
        yield part
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(claim):
    async with asyncio.timeout(WITHIN_S):
        while not claim():
            await asyncio.sleep(0.02)


def watches(measured):
    """Whether a watch is open, and with it the list before it answered and its connection idle."""
    return measured.total(metrics.API_REQUESTS, verb="watch", status_class="2xx")


async def test_a_watch_that_falls_silent_is_noticed_and_misses_nothing(
    behind, proxy, measured, real_cluster, namespace
):
    present = set()

    def note(change):
        (present.discard if change.gone else present.add)(change.pod.metadata.name)

    async def sees(*pods):
        await until(lambda: present == set(pods))

    reflector = Reflector(
        behind,
        namespace=namespace,
        selector=LAUNCH,
        page_size=10,
        clock=SystemClock(),
        on_change=note,
        on_listed=lambda _: None,
        measured=measured,
    )
    old = await real_cluster.create_pod(namespace, a_manifest(namespace, "old"))
    async with running(reflector):
        await sees("old")
        await until(lambda: watches(measured))
        proxy.fall_silent("request", "answer")
        breaks = measured.total(metrics.WATCH_RECONNECTS, namespace=namespace)
        await real_cluster.create_pod(namespace, a_manifest(namespace, "new"))
        await real_cluster.delete_pod(namespace, "old", uid=old.metadata.uid)
        await sees("new")
    assert proxy.swallowed["answer"] > 0, "the news went out on the connection that is silent"
    assert measured.total(metrics.WATCH_RECONNECTS, namespace=namespace) > breaks


@pytest.mark.parametrize(
    ("part", "created"),
    [
        pytest.param("request", 1, id="the-request-never-arrives"),
        pytest.param("answer", 0, id="the-answer-never-arrives"),
    ],
)
async def test_a_create_without_an_answer_is_bounded_and_repeated_and_makes_one_pod(
    behind, proxy, measured, real_cluster, namespace, part, created
):
    engine = Engine(
        behind,
        settings=settings(namespace=namespace),
        renderer=Renderer(namespace),
        read_facts=lambda _: {},
        emit=lambda _: None,
        clock=SystemClock(),
        hooks=Hooks(measured=measured),
    )
    launch = a_launch()

    def answered(status):
        return measured.total(metrics.POD_CREATION_STATUS, status=status)

    async with running(engine):
        await until(lambda: watches(measured))
        proxy.fall_silent(part)
        engine.submit(launch)
        await until(lambda: engine.stats().pending == 1)
    assert answered("error") == 1
    # The repeated create is refused as a duplicate, unless the next watch has shown the pod first.
    assert (answered("200"), answered("409") <= 1 - created) == (created, True)
    page = await real_cluster.list_pods(namespace, selector=LAUNCH, limit=10)
    assert [pod.metadata.labels[LAUNCH] for pod in page.items] == [str(launch.launch_id)]
    assert proxy.swallowed[part] > 0
