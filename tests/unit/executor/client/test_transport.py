import asyncio
import json
import socket

import pytest

from tradewind import metrics
from tradewind.call_options import Keepalive
from tradewind.client import transport as transport_module
from tradewind.client.auth import Credentials, FixedProof, Proof
from tradewind.client.errors import ApiError, ConnectionLostError, CredentialError
from tradewind.client.tls import TlsContexts, Trust
from tradewind.client.transport import Transport, verb_of
from tradewind.testing.recorded_metrics import RecordedMetrics

STATUS = json.dumps({"reason": "Unauthorized", "message": "no"}).encode()


class Rotating:
    """A prover whose token is another one after each refusal, until it runs out."""

    def __init__(self, *tokens):
        self._tokens = list(tokens)
        self.forgotten = 0

    async def proof(self):
        return Proof(f"Bearer {self._tokens[0]}", None)

    def forget(self):
        self.forgotten += 1
        if len(self._tokens) > 1:
            self._tokens.pop(0)


async def test_a_call_is_signed_and_names_its_program(serve, transport, answer):
    raw = await serve(answer(200, b"{}"))
    client = transport(raw)
    assert await client.call("POST", "/x", query={"a": "b c"}, body={"k": 1}) == b"{}"
    assert raw.requests[0].startswith("POST /x?a=b+c HTTP/1.1")
    assert raw.header("Authorization") == "Bearer t"
    assert raw.header("User-Agent").startswith("tradewind/")
    assert raw.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    ("method", "more", "sent", "wanted"),
    [
        pytest.param("POST", {}, "application/json", "application/json", id="json"),
        pytest.param("PATCH", {}, "application/merge-patch+json", "application/json", id="patch"),
        pytest.param("PATCH", {"content_type": "a/b"}, "a/b", "application/json", id="other-patch"),
        pytest.param("GET", {"accept": "c/d"}, "application/json", "c/d", id="other-answer"),
    ],
)
async def test_the_kinds_of_body(serve, transport, answer, method, more, sent, wanted):
    raw = await serve(answer(200, b"{}"))
    await transport(raw).call(method, "/x", body={}, **more)
    assert raw.header("Content-Type") == sent
    assert raw.header("Accept") == wanted


async def test_a_refused_token_is_loaded_anew_once(serve, transport, answer):
    raw = await serve(answer(401, STATUS), answer(200, b"ok"))
    prover = Rotating("old", "new")
    assert await transport(raw, prover=prover).call("POST", "/x", body={}) == b"ok"
    assert raw.header("Authorization", 0) == "Bearer old"
    assert raw.header("Authorization", 1) == "Bearer new"


async def test_a_second_refusal_is_the_callers(serve, transport, answer):
    raw = await serve(answer(401, STATUS), answer(401, STATUS))
    with pytest.raises(ApiError, match="401 Unauthorized: no"):
        await transport(raw, prover=Rotating("a", "b", "c")).call("GET", "/x")
    assert len(raw.requests) == 2


async def test_the_same_proof_is_not_presented_twice(serve, transport, answer):
    raw = await serve(answer(401, STATUS), answer(200))
    prover = Rotating("only")
    with pytest.raises(ApiError):
        await transport(raw, prover=prover).call("GET", "/x")
    assert len(raw.requests) == 1
    assert prover.forgotten == 1


async def test_a_watch_is_signed_anew_too(serve, transport, answer):
    raw = await serve(answer(401, STATUS), answer(200, b"line\n"))
    client = transport(raw, prover=Rotating("old", "new"))
    async with client.stream("/x", query={"watch": "true"}, silence_s=5) as content:
        assert await content.read() == b"line\n"


async def test_nothing_to_sign_in_with_is_its_own_error(serve, transport):
    class Signless:
        async def proof(self):
            raise CredentialError("the plugin failed")

    raw = await serve()
    with pytest.raises(CredentialError, match="the plugin failed"):
        await transport(raw, prover=Signless()).call("GET", "/x")
    assert raw.requests == []


@pytest.mark.parametrize(
    ("body", "length", "said"),
    [
        pytest.param(b"<title>Bad gateway</title>", None, "titled 'Bad gateway'", id="html"),
        pytest.param(b"half", 4000, "'half'", id="broken-off"),
        pytest.param(b"x" * 1_000_000, None, "xxx…'", id="a-megabyte"),
        pytest.param(b"", None, "an empty body", id="empty"),
    ],
)
async def test_the_status_counts_whatever_its_body(serve, transport, answer, body, length, said):
    raw = await serve(answer(502, body, length=length, Retry_After="3"))
    with pytest.raises(ApiError) as caught:
        await transport(raw).call("GET", "/x")
    assert caught.value.status == 502
    assert caught.value.retry_after_s == 3.0
    assert said in str(caught.value)


async def test_a_redirect_is_an_error_and_takes_no_token_along(serve, transport, answer):
    login = await serve(answer(200, b"welcome"))
    raw = await serve(answer(302, Location=f"{login.url}/login?next=x"))
    with pytest.raises(ApiError, match=r"302 Said: redirected to 'http.*/login'; is a proxy"):
        await transport(raw).call("GET", "/x")
    assert login.requests == []


async def test_a_good_answer_that_breaks_off_is_a_lost_connection(serve, transport, answer):
    raw = await serve(answer(200, b"half", length=4000))
    with pytest.raises(ConnectionLostError, match="no answer to GET /x from http"):
        await transport(raw).call("GET", "/x")


async def test_a_server_that_is_not_there_is_a_lost_connection():
    client = Transport(
        Credentials(server="http://127.0.0.1:1", prover=FixedProof()), request_timeout_s=5
    )
    with pytest.raises(ConnectionLostError, match=r"Cannot connect to host 127\.0\.0\.1:1"):
        await client.call("GET", "/x")
    await client.close()


async def test_a_server_that_says_nothing_is_given_up():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = Transport(Credentials(server=url, prover=FixedProof()), request_timeout_s=0.05)
    with pytest.raises(ConnectionLostError, match="timed out"):
        await client.call("GET", "/x")
    with pytest.raises(ConnectionLostError, match="timed out"):
        async with client.stream("/x", query={}, silence_s=0.05):
            pass
    await client.close()
    server.close()


async def test_a_burst_of_calls_holds_up_no_other():
    burst, all_here = 200, asyncio.Event()
    waiting = []

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        waiting.append(writer)
        if len(waiting) == burst:
            all_here.set()
        await all_here.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=burst)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = Transport(Credentials(server=url, prover=FixedProof()), request_timeout_s=5)
    await asyncio.gather(*(client.call("GET", "/x") for _ in range(burst)))
    assert len(waiting) == burst
    await client.close()
    server.close()


async def test_netrc_signs_nothing(serve, transport, answer, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    raw = await serve(answer(200))
    await transport(raw, prover=FixedProof()).call("GET", "/x")
    assert raw.header("Authorization") == ""


async def test_a_proxy_is_used_and_signed_in_to(serve, transport, answer):
    proxy = await serve(answer(200, b"through"))
    raw = await serve()
    through = proxy.url.replace("http://", "http://user:pass@")
    assert await transport(raw, proxy=through).call("GET", "/x") == b"through"
    assert proxy.requests[0].startswith(f"GET {raw.url}/x HTTP/1.1")
    assert proxy.header("Proxy-Authorization").startswith("Basic ")
    assert raw.requests == []


def tls_prover(authority, pair=None):
    contexts = TlsContexts(Trust(authority=lambda: authority.pem))
    return FixedProof(ssl_context=contexts.current(pair, origin="the pair"))


async def test_a_client_certificate_is_shown(serve, transport, answer, authority, server_tls):
    tls = server_tls(authority.issue("127.0.0.1"), clients=authority)
    raw = await serve(answer(200, b"ok"), tls=tls)
    prover = tls_prover(authority, authority.issue("ci"))
    assert await transport(raw, prover=prover).call("GET", "/x") == b"ok"
    assert raw.peers[0]["subject"] == ((("commonName", "ci"),),)


async def test_the_certificates_name_can_differ_from_the_urls(
    serve, transport, answer, authority, server_tls
):
    raw = await serve(answer(200, b"ok"), tls=server_tls(authority.issue("kubernetes")))
    prover = tls_prover(authority)
    assert await transport(raw, prover=prover, server_name="kubernetes").call("GET", "/x") == b"ok"
    with pytest.raises(ConnectionLostError, match="its certificate is not trusted"):
        await transport(raw, prover=prover).call("GET", "/x")


async def test_an_unknown_authority_names_both_remedies(serve, transport, authority, server_tls):
    raw = await serve(tls=server_tls(authority.issue("127.0.0.1")))
    prover = FixedProof(ssl_context=TlsContexts(Trust()).current(None, origin=""))
    with pytest.raises(ConnectionLostError, match=r"certificate-authority or in .* ssl_ca_cert"):
        await transport(raw, prover=prover).call("GET", "/x")


async def test_the_servers_clock_is_compared_with_ours(serve, answer):
    raw = await serve(answer(200, Date="Thu, 01 Jan 1970 00:01:00 GMT"), answer(200))
    client = Transport(
        Credentials(server=raw.url, prover=FixedProof()),
        request_timeout_s=5,
        wall_s=lambda: 90.0,
    )
    assert client.clock_skew_s is None
    await client.call("GET", "/x")
    assert client.clock_skew_s == 30.0
    await client.call("GET", "/x")
    assert client.clock_skew_s is None
    await client.close()


async def test_a_far_clock_is_measured_and_told_once(serve, answer, caplog):
    date = {"Date": "Thu, 01 Jan 1970 00:01:00 GMT"}
    raw = await serve(answer(200, **date), answer(200, **date))
    recorded = RecordedMetrics()
    client = Transport(
        Credentials(server=raw.url, prover=FixedProof()),
        request_timeout_s=5,
        measured=recorded,
        wall_s=lambda: 90.0,
    )
    await client.call("GET", "/x")
    await client.call("GET", "/x")
    await client.close()
    assert recorded.series[metrics.CLOCK_SKEW].values() == [30.0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "30 s ahead of the API server's" in caplog.text


async def test_calls_are_counted_by_verb_and_class(serve, answer):
    raw = await serve(answer(201), answer(503))
    recorded = RecordedMetrics()
    client = Transport(
        Credentials(server=raw.url, prover=FixedProof()), request_timeout_s=5, measured=recorded
    )
    await client.call("POST", "/api/v1/namespaces/a/pods", body={})
    with pytest.raises(ApiError):
        await client.call("GET", "/api/v1/namespaces/a/pods")
    await client.close()
    assert recorded.total(metrics.API_REQUESTS, verb="create", status_class="2xx") == 1
    assert recorded.total(metrics.API_REQUESTS, verb="list", status_class="5xx") == 1
    timed = recorded.series[metrics.API_LATENCY].labels()
    assert timed == [{"verb": "create"}, {"verb": "list"}]


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        pytest.param("POST", "/api/v1/namespaces/a/pods", {}, "create", id="create"),
        pytest.param("DELETE", "/api/v1/namespaces/a/pods/p", {}, "delete", id="delete"),
        pytest.param("PATCH", "/api/v1/namespaces/a/pods/p", {}, "patch", id="patch"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/p", {}, "get", id="get"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/p/log", {}, "get", id="log"),
        pytest.param("GET", "/api/v1/pods", {}, "list", id="list-everywhere"),
        pytest.param("GET", "/api/v1/namespaces/a/events", {}, "list", id="list-events"),
        pytest.param("GET", "/api/v1/pods", {"watch": "true"}, "watch", id="watch"),
        pytest.param("GET", "/version", {}, "get", id="version"),
    ],
)
def test_verbs_are_kubernetes_own(method, path, query, verb):
    assert verb_of(method, path, query) == verb


@pytest.mark.parametrize(
    ("keepalive", "expected"),
    [
        pytest.param(Keepalive(), [1, 30, 10, 3], id="by-default"),
        pytest.param(Keepalive(idle_s=60, interval_s=5, probes=2), [1, 60, 5, 2], id="as-set"),
        pytest.param(None, [0], id="off"),
    ],
)
def test_silent_connections_are_probed(keepalive, expected):
    address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))
    options = [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    ]
    with transport_module._socket(keepalive, address) as made:
        found = [made.getsockopt(*option) for option in options[: len(expected)]]
    assert found == expected
