"""Every fault of the proxy, over real connections to a server that remembers what reached it."""

import asyncio
import json

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from plan import Rule, Script
from proxy import FaultProxy

PODS = "/api/v1/namespaces/faults/pods"


class Server:
    """An API server as far as the proxy knows one; plain HTTP."""

    def __init__(self):
        self.asked = []
        self.events = asyncio.Queue()

    async def handle(self, request):
        self.asked.append((request.method, request.rel_url.raw_path_qs, await request.read()))
        if "watch" not in request.query:
            return web.json_response({"kind": "Pod"}, status=201)
        answer = web.StreamResponse()
        await answer.prepare(request)
        while (event := await self.events.get()) is not None:
            await answer.write(json.dumps(event).encode() + b"\n")
        return answer

    def methods(self):
        return [method for method, *_ in self.asked]


def an_event(index, kind="ADDED"):
    return {"type": kind, "object": {"metadata": {"name": f"pod-{index}"}}}


def a_pod(index):
    annotations = {"task_id": "work", "map_index": str(index), "try_number": "1"}
    return {"metadata": {"name": f"pod-{index}", "annotations": annotations}}


class Client:
    """What asks through the proxy."""

    def __init__(self, session, url, proxy, log, server):
        self._session = session
        self._url = url
        self.proxy = proxy
        self.log = log
        self.server = server

    def play(self, *rules, began_s):
        self.proxy.play(Script(name="s", seed="1", tasks=1, rules=rules), began_s=began_s)

    async def create(self, index=1):
        async with self._session.post(self._url + PODS, json=a_pod(index)) as answer:
            return answer.status, await answer.text(), answer.headers

    async def delete(self, index=1):
        async with self._session.delete(f"{self._url}{PODS}/pod-{index}") as answer:
            return answer.status

    async def watch(self, version="7"):
        query = {"watch": "1", "resourceVersion": version}
        async with self._session.get(self._url + PODS, params=query) as answer:
            return [json.loads(line) async for line in answer.content]


@pytest.fixture
async def client():
    server, log = Server(), []
    listening = web.ServerRunner(web.Server(server.handle), shutdown_timeout=0.1)
    await listening.setup()
    behind, before = unused_port(), unused_port()
    await web.TCPSite(listening, "127.0.0.1", behind).start()
    proxy = FaultProxy(
        server=f"http://127.0.0.1:{behind}",
        server_tls=False,
        own_tls=None,
        port=before,
        log=lambda kind, fields: log.append((kind, fields)),
    )
    async with proxy.listening(), aiohttp.ClientSession() as session:
        yield Client(session, f"http://127.0.0.1:{before}", proxy, log, server)
    await listening.cleanup()


@pytest.fixture
def now_s(monkeypatch):
    """Return a clock of the proxy's that stands still until a test sets it."""
    clock = {"s": 1.0}
    monkeypatch.setattr("proxy.time.time", lambda: clock["s"])
    return clock


def always(fault, *verbs, **more):
    return Rule(**({"fault": fault, "verbs": verbs, "share": 1, "from_s": 0} | more))


async def test_without_a_script_calls_pass_as_they_are(client):
    assert (await client.create())[0] == 201
    (asked,) = client.server.asked
    assert asked == ("POST", PODS, json.dumps(a_pod(1)).encode())
    ((kind, told),) = client.log
    assert (kind, told["verb"], told["subject"], told["status"]) == (
        "call",
        "create",
        "work/1/1/0",
        201,
    )
    assert "fault" not in told


async def test_a_reset_call_never_arrives(client, now_s):
    client.play(always("reset", "create"), began_s=0)
    with pytest.raises(aiohttp.ClientError):
        await client.create()
    assert client.server.asked == []
    assert client.log[0][1]["fault"] == "reset"


async def test_a_lost_reply_is_of_a_call_that_took_effect(client, now_s):
    client.play(always("lose_reply", "create"), began_s=0)
    with pytest.raises(aiohttp.ClientError):
        await client.create()
    assert client.server.methods() == ["POST"]


async def test_an_answer_of_the_scripts_takes_no_effect(client, now_s):
    rule = always("answer", "create", status=429, body="[1]", retry_after_s=3)
    client.play(rule, began_s=0)
    status, text, headers = await client.create()
    assert (status, text, headers["Retry-After"]) == (429, "[1]", "3")
    assert client.server.asked == []


async def test_a_garbled_answer_is_of_a_call_that_took_effect(client, now_s):
    client.play(always("garble", "create", body="[1]"), began_s=0)
    assert (await client.create())[:2] == (201, "[1]")
    assert client.server.methods() == ["POST"]


async def test_a_late_answer_is_the_servers_own(client, now_s):
    client.play(always("delay", "create", seconds=0.01), began_s=0)
    assert (await client.create())[0] == 201


async def test_a_stalled_call_takes_effect_and_ends_without_an_answer(client, now_s):
    client.play(always("stall", "create", seconds=0.01), began_s=0)
    with pytest.raises(aiohttp.ClientError):
        await client.create()
    assert client.server.methods() == ["POST"]


async def test_later_calls_about_a_pod_are_known_by_what_it_runs(client, now_s):
    await client.create(4)
    client.play(always("answer", "delete", status=500, at_most=1), began_s=0)
    assert (await client.delete(4), await client.delete(4)) == (500, 201)
    assert client.log[-1][1]["subject"] == "work/4/1/0"


async def test_a_script_that_is_over_hits_nothing(client, now_s):
    client.play(always("reset", "create", until_s=5), began_s=0)
    now_s["s"] = 5.0
    assert (await client.create())[0] == 201


async def watched(client, *events):
    for event in (*events, None):
        client.server.events.put_nowait(event)
    return [event["object"]["metadata"]["name"] for event in await client.watch()]


@pytest.mark.parametrize(
    ("fault", "came"),
    [
        ("repeat", ["pod-1"] * 3 + ["pod-2", "pod-3"]),
        ("drop", ["pod-2", "pod-3"]),
        ("reorder", ["pod-2", "pod-1", "pod-3"]),
    ],
)
async def test_events_come_as_the_script_says(client, now_s, monkeypatch, fault, came):
    for index in (1, 2, 3):
        await client.create(index)
    rule = always(fault, "watch")
    client.play(rule, began_s=0)
    of_event = client.proxy._judge.of_event
    monkeypatch.setattr(
        client.proxy._judge,
        "of_event",
        lambda subject, at_s: of_event(subject, at_s=at_s) if subject == "work/1/1/0" else None,
    )
    assert await watched(client, *map(an_event, (1, 2, 3))) == came
    assert [told["fault"] for kind, told in client.log if kind == "event"] == [fault]


async def test_a_watch_is_asked_for_with_the_version_of_the_script(client, now_s):
    client.play(always("old_version", "watch", version="1"), began_s=0)
    assert await watched(client, an_event(1)) == ["pod-1"]
    assert "resourceVersion=1" in client.server.asked[0][1]
    assert "resourceVersion=7" not in client.server.asked[0][1]


async def test_watches_that_are_open_break_when_a_script_begins(client, now_s):
    watching = asyncio.create_task(client.watch())
    while not client.proxy._watches:
        await asyncio.sleep(0.01)
    client.play(always("reset", "create"), began_s=0)
    with pytest.raises(aiohttp.ClientError):
        await watching
    assert not any(kind == "broken" for kind, _ in client.log)


async def test_a_frozen_watch_loses_nothing(client, now_s):
    client.play(always("freeze", "watch", seconds=0.01), began_s=0)
    assert await watched(client, an_event(1)) == ["pod-1"]


async def test_a_watch_is_told_of_once_and_while_it_is_open(client, now_s):
    client.play(always("freeze", "watch", seconds=0.01), began_s=0)
    watching = asyncio.create_task(client.watch())
    while not client.log:
        await asyncio.sleep(0.01)
    client.server.events.put_nowait(None)
    await watching
    ((kind, told),) = client.log
    assert (kind, told["verb"], told["fault"], told["status"]) == ("call", "watch", "freeze", 200)


async def test_after_events_were_lost_the_next_watch_is_told_to_list(client, now_s):
    client.play(always("drop", "watch", until_s=5), began_s=0)
    client.server.events.put_nowait(an_event(1))
    watching = asyncio.create_task(client.watch())
    while not any(kind == "event" for kind, _ in client.log):
        await asyncio.sleep(0.01)
    now_s["s"] = 5.0
    client.server.events.put_nowait(an_event(2))
    assert [event["object"]["metadata"]["name"] for event in await watching] == ["pod-2"]
    (told,) = await client.watch()
    assert (told["type"], told["object"]["code"]) == ("ERROR", 410)
    client.server.events.put_nowait(None)
    client.server.events.put_nowait(None)
    assert await client.watch() == []


async def test_a_server_that_is_away_is_a_reset(client):
    client.proxy._server = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(aiohttp.ClientError):
        await client.create()
    assert client.log[0][1]["error"]
