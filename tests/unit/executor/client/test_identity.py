"""Answers that a real API server does not give; those it gives are in the integration tier."""

import json

import pytest

from tradewind.client.errors import ConnectionLostError
from tradewind.client.identity import HttpIdentities, Reviewed


@pytest.fixture
def identities(serve, transport):
    async def identities(*answers):
        raw = await serve(*answers)
        return HttpIdentities(transport(raw)), raw

    return identities


@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", b'{"issuer": 1}'])
async def test_a_discovery_of_another_server_is_a_lost_connection(identities, answer, body):
    asked, _ = await identities(answer(200, body))
    with pytest.raises(ConnectionLostError, match="an answer cannot be read"):
        await asked.issuer()


async def test_keys_are_asked_for_in_the_only_type_the_server_gives(identities, answer):
    asked, raw = await identities(answer(200, b'{"keys": []}'))
    assert await asked.keys() == b'{"keys": []}'
    assert raw.requests[0].startswith("GET /openid/v1/jwks ")
    assert "Accept: application/jwk-set+json" in raw.requests[0]


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"authenticated": "true"}, id="text"),
        pytest.param({"authenticated": None, "user": None, "audiences": None}, id="nulls"),
    ],
)
async def test_a_review_that_does_not_say_yes_authenticates_nobody(identities, answer, status):
    asked, _ = await identities(answer(201, json.dumps({"status": status}).encode()))
    assert await asked.review("t", audience="tradewind") == Reviewed()
