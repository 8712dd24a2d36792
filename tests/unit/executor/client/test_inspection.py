"""Answers that a real API server does not give; those it gives are in the integration tier."""

import json

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.client.inspection import HttpInspection


@pytest.fixture
def inspect(serve, transport):
    async def inspect(*answers):
        raw = await serve(*answers)
        return HttpInspection(transport(raw)), raw

    return inspect


@pytest.mark.parametrize("body", [b"<html>", b"null", b"{}", b'{"gitVersion": 1}'])
async def test_an_answer_of_another_server_is_a_lost_connection(inspect, answer, body):
    inspection, _ = await inspect(answer(200, body))
    with pytest.raises(ConnectionLostError, match="an answer cannot be read"):
        await inspection.version()


async def test_a_review_names_verb_resource_and_namespace(inspect, answer):
    inspection, raw = await inspect(answer(201, b'{"status": {"allowed": true}}'))
    assert await inspection.may("get", "pods", "log", namespace="a")
    assert "/selfsubjectaccessreviews" in raw.requests[0]


async def test_a_review_that_says_nothing_allows_nothing(inspect, answer):
    inspection, _ = await inspect(answer(201, b'{"status": {}}'))
    assert not await inspection.may("get", "pods", "", namespace="a")


@pytest.mark.parametrize(("strict", "word"), [(True, "Strict"), (False, "Ignore")])
async def test_a_trial_is_a_dry_run(inspect, answer, strict, word):
    inspection, raw = await inspect(answer(201, b"{}"))
    await inspection.try_pod({"kind": "Pod"}, namespace="a", strict=strict)
    assert raw.requests[0].startswith("POST /api/v1/namespaces/a/pods?dryRun=All&")
    assert f"fieldValidation={word} " in raw.requests[0]


async def test_a_refused_trial_keeps_the_servers_sentence(inspect, answer):
    status = json.dumps({"reason": "Forbidden", "message": "exceeded quota: q"}).encode()
    inspection, _ = await inspect(answer(403, status))
    with pytest.raises(ApiError, match="exceeded quota: q"):
        await inspection.try_pod({}, namespace="a", strict=True)


async def test_quotas_and_limits_without_a_status_are_empty(inspect, answer):
    body = b'{"items": [{"metadata": {"name": "q"}}]}'
    inspection, _ = await inspect(answer(200, body), answer(200, body))
    (quota,) = await inspection.quotas("a")
    assert quota.status.hard == {}
    (limits,) = await inspection.limit_ranges("a")
    assert limits.spec.limits == ()
