import uuid

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError, CredentialError
from tradewind.dispatch.pool.claim_policy import Found, Next, after, found
from tradewind.testing.builders import a_pod

LAUNCH = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ApiError(409), Next.ANOTHER, id="changed"),
        pytest.param(ApiError(404), Next.ANOTHER, id="gone"),
        pytest.param(ApiError(422), Next.ANOTHER, id="another-uid"),
        pytest.param(ApiError(429), Next.COLD, id="throttled-before-anything"),
        pytest.param(ApiError(401), Next.COLD, id="signed-out"),
        pytest.param(ApiError(403), Next.STOP, id="forbidden"),
        pytest.param(ApiError(400), Next.COLD, id="refused"),
        pytest.param(ApiError(500), Next.LOOK, id="server-error"),
        pytest.param(ApiError(503), Next.LOOK, id="unavailable"),
        pytest.param(ApiError(504), Next.LOOK, id="timeout"),
        pytest.param(ConnectionLostError("reset"), Next.LOOK, id="no-answer"),
        pytest.param(OSError("reset"), Next.LOOK, id="broken-connection"),
    ],
)
def test_what_an_error_of_a_claim_means(error, expected):
    assert after(error) is expected


def test_a_call_that_was_not_even_tried_is_looked_after_like_any_other():
    assert after(CredentialError("no token")) is Next.LOOK


@pytest.mark.parametrize(
    ("labels", "uid", "expected"),
    [
        pytest.param({"tradewind/launch-id": str(LAUNCH)}, "u1", Found.OURS, id="ours"),
        pytest.param({}, "u1", Found.FREE, id="nobodys"),
        pytest.param({"tradewind/launch-id": str(uuid.UUID(int=8))}, "u1", Found.LOST, id="theirs"),
        pytest.param({"tradewind/launch-id": "odd"}, "u1", Found.LOST, id="odd"),
        pytest.param({"tradewind/draining": "true"}, "u1", Found.LOST, id="draining"),
        pytest.param({}, "u2", Found.LOST, id="another-pod-of-that-name"),
    ],
)
def test_whose_a_pod_is_after_a_lost_answer(labels, uid, expected):
    assert found(a_pod(uid=uid, labels=labels), uid="u1", launch_id=LAUNCH) is expected
