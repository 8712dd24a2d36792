import json

import pytest

from tradewind import contract
from tradewind.client import endpoint
from tradewind.client.endpoint import Health

OURS = {"Content_Type": "application/json", "Tradewind_Server_Time": "1700000000.5"}


async def test_the_question_names_no_pod_and_carries_no_token(serve, answer):
    raw = await serve(answer(401, b'{"reason":"no token"}', **OURS))
    found = await endpoint.ask(f"{raw.url}/custom/path")
    assert raw.requests[0].startswith("POST /custom/path ")
    assert "Authorization" not in raw.requests[0]
    assert (found.status, found.content_type) == (401, "application/json")
    assert found.server_time_s == 1700000000.5
    assert found.text == '{"reason":"no token"}'
    assert found.health is None
    assert contract.SERVER_TIME == "Tradewind-Server-Time"


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        pytest.param(
            200,
            {"status": "ready", "not_ready": [], "audience": "x"},
            Health(is_ready=True, audience="x"),
            id="ready",
        ),
        pytest.param(
            200,
            {"status": "degraded", "not_ready": ["may not watch pods", "no keys"]},
            Health(is_ready=False, not_ready="may not watch pods; no keys"),
            id="degraded",
        ),
        pytest.param(503, {"status": "starting"}, Health(is_ready=False), id="starting"),
        pytest.param(200, ["x"], None, id="odd"),
    ],
)
async def test_our_endpoint_is_asked_whether_it_is_ready(serve, answer, status, said, expected):
    health = answer(status, json.dumps(said).encode(), Content_Type="application/json")
    raw = await serve(answer(401, b"{}", **OURS), health)
    found = await endpoint.ask(f"{raw.url}{contract.URL_PREFIX}{contract.BOARD_PATH}")
    assert raw.requests[1].startswith("GET /tradewind/v1/health ")
    assert found.health == expected


async def test_a_web_page_is_not_read_whole(serve, answer):
    raw = await serve(answer(200, b"<html>" + b"x" * 100_000, Content_Type="text/html"))
    found = await endpoint.ask(raw.url)
    assert (found.status, found.content_type, found.server_time_s) == (200, "text/html", None)
    assert len(found.text) <= 200


async def test_a_redirect_is_not_followed(serve, answer):
    raw = await serve(answer(302, Location="http://127.0.0.1:1/login"))
    assert (await endpoint.ask(raw.url)).status == 302


@pytest.mark.parametrize("said", ["soon", ""])
async def test_an_odd_time_counts_as_none(serve, answer, said):
    raw = await serve(answer(401, json.dumps({}).encode(), Tradewind_Server_Time=said))
    assert (await endpoint.ask(raw.url)).server_time_s is None


async def test_a_refused_connection_is_an_answer_too():
    found = await endpoint.ask("http://127.0.0.1:1/tradewind/v1/board")
    assert found.status == 0
    assert "Cannot connect" in found.text


async def test_a_malformed_address_is_an_answer_too():
    assert (await endpoint.ask("http://[::/board")).status == 0


async def test_a_private_authority_is_trusted_when_it_is_given(
    serve, answer, authority, server_tls, tmp_path
):
    raw = await serve(answer(401), answer(401), tls=server_tls(authority.issue("127.0.0.1")))
    assert "certificate" in (await endpoint.ask(raw.url)).text.lower()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(authority.pem)
    assert (await endpoint.ask(raw.url, ca_file=str(ca))).status == 401


async def test_a_missing_ca_file_is_an_answer_too():
    found = await endpoint.ask("https://127.0.0.1:1", ca_file="/none.crt")
    assert found.status == 0
    assert "No such file" in found.text
