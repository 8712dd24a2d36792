"""What `HttpCluster` makes of a watch's lines; the calls themselves are in the contract suite."""

import json

import pytest

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.client.http import HttpCluster


def line(kind, **fields):
    return json.dumps({"type": kind, "object": fields}).encode() + b"\n"


def a_pod(name):
    return line("ADDED", metadata={"name": name, "resourceVersion": "7"})


@pytest.fixture
async def watch(serve, answer):
    """Return a coroutine that watches a server which sends these lines."""
    opened = []

    async def watch(*lines):
        raw = await serve(answer(200, b"".join(lines)))
        credentials = Credentials(server=raw.url, prover=FixedProof())
        opened.append(HttpCluster(credentials, request_timeout_s=5, silence_s=5))
        events = opened[-1].watch_pods("a", selector="x", resource_version="1", timeout_s=5)
        return [event async for event in events]

    yield watch
    for cluster in opened:
        await cluster.close()


async def test_pods_and_bookmarks_arrive_in_order(watch):
    bookmark = line("BOOKMARK", metadata={"resourceVersion": "9"})
    events = await watch(a_pod("p"), b"\n", bookmark)
    assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
    assert events[0].pod.metadata.name == "p"
    assert events[1].pod.metadata.resource_version == "9"


@pytest.mark.parametrize(
    "odd",
    [line("ADDED", metadata={"name": 7}), line("BOOKMARK", metadata=None)],
    ids=["pod", "bookmark"],
)
async def test_one_odd_event_does_not_end_the_watch(watch, odd):
    events = await watch(odd, a_pod("q"))
    assert [event.pod.metadata.name for event in events] == ["q"]


@pytest.mark.parametrize(
    ("event", "status", "said"),
    [
        pytest.param(line("ERROR", code=410, reason="Expired"), 410, "Expired", id="expired"),
        pytest.param(b'{"type":"ERROR","object":null}\n', 500, "'null'", id="null"),
        pytest.param(b'{"type":"ERROR","object":[1]}\n', 500, "'[1]'", id="list"),
    ],
)
async def test_an_error_event_is_an_api_error_whatever_it_holds(watch, event, status, said):
    with pytest.raises(ApiError) as caught:
        await watch(event)
    assert caught.value.status == status
    assert said in str(caught.value)


@pytest.mark.parametrize("text", [b"<html>\n", b"null\n", b"{}\n", b'{"type":"ODD","object":{}}\n'])
async def test_a_line_that_is_no_event_is_a_lost_connection(watch, text):
    with pytest.raises(ConnectionLostError, match="the answer cannot be read"):
        await watch(text)


async def test_a_watch_that_breaks_off_gives_its_pods_first(serve, answer):
    raw = await serve(answer(200, a_pod("p"), length=4000))
    credentials = Credentials(server=raw.url, prover=FixedProof())
    cluster = HttpCluster(credentials, request_timeout_s=5, silence_s=5)
    events = cluster.watch_pods("a", selector="x", resource_version="1", timeout_s=5)
    first = await anext(events)
    assert first.pod.metadata.name == "p"
    with pytest.raises(ConnectionLostError):
        await anext(events)
    await cluster.close()


async def test_a_page_of_html_is_a_lost_connection(serve, answer):
    raw = await serve(answer(200, b"<title>Welcome</title>"))
    credentials = Credentials(server=raw.url, prover=FixedProof())
    cluster = HttpCluster(credentials, request_timeout_s=5, silence_s=5)
    with pytest.raises(ConnectionLostError, match="an HTML page titled 'Welcome'"):
        await cluster.get_pod("a", "p")
    await cluster.close()
