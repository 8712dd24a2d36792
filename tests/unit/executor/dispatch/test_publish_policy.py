import ssl

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.publish_policy import (
    Fail,
    LookUp,
    Park,
    Retry,
    decide_create,
    decide_delete,
    feedback,
)

QUOTA = 'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5'
WEBHOOK = 'Internal error occurred: failed calling webhook "w.example": connection refused'
DENIED = 'admission webhook "w.example" denied the request: no latest tags'
VAP = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: needs a label"
RBAC = 'pods is forbidden: User "s" cannot create resource "pods" in API group ""'


def api(status, reason="", message="", after=None):
    return ApiError(status, reason=reason, message=message, retry_after_s=after)


def decide(error, *, attempt=1, troubled_s=1.0):
    return decide_create(error, attempt=attempt, troubled_s=troubled_s, budget_s=900)


@pytest.mark.parametrize(
    ("error", "expected", "kind"),
    [
        pytest.param(api(429, after=3.0), Retry, "throttled", id="429"),
        pytest.param(api(500, message=WEBHOOK), Retry, "webhook_unavailable", id="500-webhook"),
        pytest.param(
            api(500, message="etcdserver: request timed out"), Retry, "server_error", id="500"
        ),
        pytest.param(
            api(500, message="mvcc: database space exceeded"), Retry, "store_full", id="500-nospace"
        ),
        pytest.param(api(502), Retry, "unavailable", id="502"),
        pytest.param(api(503), Retry, "unavailable", id="503"),
        pytest.param(api(504), Retry, "timeout", id="504"),
        pytest.param(api(408), Retry, "timeout", id="408"),
        pytest.param(ConnectionLostError("reset"), Retry, "no_answer", id="reset-after-commit"),
        pytest.param(ConnectionLostError("timed out"), Retry, "no_answer", id="slow"),
        pytest.param(
            ConnectionLostError("the answer is no pod: b'[1]'"), Retry, "no_answer", id="odd-body"
        ),
        pytest.param(api(500, message="<html>"), Retry, "server_error", id="odd-error-body"),
        pytest.param(ConnectionResetError("reset"), Retry, "no_answer", id="raw-os-error"),
        pytest.param(ssl.SSLError("handshake"), Retry, "no_answer", id="raw-ssl-error"),
        pytest.param(api(409, "AlreadyExists"), LookUp, "already_exists", id="409-name-taken"),
        pytest.param(api(409, "Conflict"), Retry, "conflict", id="409-quota-bookkeeping"),
        pytest.param(api(403, "Forbidden", QUOTA), Park, "quota", id="403-quota"),
        pytest.param(
            api(403, message="status unknown for quota: q"), Park, "quota", id="403-quota-unknown"
        ),
        pytest.param(
            api(403, message='namespace "n" because it is being terminated'),
            Fail,
            "namespace_terminating",
            id="403-namespace-terminating",
        ),
        pytest.param(api(403, "Forbidden", RBAC), Fail, "rbac", id="403-rbac"),
        pytest.param(
            api(403, message='violates PodSecurity "restricted:latest"'),
            Fail,
            "pod_security",
            id="403-pod-security",
        ),
        pytest.param(api(403, message=DENIED), Fail, "admission_denied", id="403-webhook"),
        pytest.param(api(403, message="no"), Fail, "forbidden", id="403-other"),
        pytest.param(api(422, "Invalid", "env[0].name"), Fail, "invalid", id="422"),
        pytest.param(api(422, "Invalid", VAP), Fail, "policy_denied", id="422-policy"),
        pytest.param(api(400, message=DENIED), Fail, "admission_denied", id="400-webhook"),
        pytest.param(api(400), Fail, "bad_request", id="400"),
        pytest.param(api(401), Retry, "unauthorized", id="401"),
        pytest.param(api(404, "NotFound"), Fail, "no_namespace", id="404-namespace"),
        pytest.param(api(413), Fail, "too_large", id="413"),
        pytest.param(api(418), Fail, "refused", id="unheard-of"),
    ],
)
def test_create_errors(error, expected, kind):
    decision = decide(error)
    assert isinstance(decision, expected)
    assert decision.kind == kind


def test_a_budget_ends_passing_errors():
    decision = decide(api(503), attempt=9, troubled_s=900)
    assert isinstance(decision, Fail)
    assert "launch_budget" in decision.cause.sentence


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(api(409, "AlreadyExists"), LookUp, id="the-pod-may-be-there"),
        pytest.param(api(403, "Forbidden", QUOTA), Park, id="a-quota-never-fails-a-task"),
    ],
)
def test_no_budget_ends(error, expected):
    assert isinstance(decide(error, attempt=99, troubled_s=9000), expected)


def test_waits_grow_and_are_bounded_and_respect_the_server():
    waits = [decide(api(503), attempt=attempt).after_s for attempt in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[0] == 0.5
    assert waits[-1] == 30.0
    assert decide(api(429, after=77.0)).after_s == 77.0


def test_conflicts_are_repeated_at_once_five_times():
    waits = [decide(api(409, "Conflict"), attempt=attempt).after_s for attempt in range(1, 7)]
    assert all(wait_s <= 0.25 for wait_s in waits[:5])
    assert waits[5] > 1


@pytest.mark.parametrize(
    ("error", "troubled_s", "words"),
    [
        pytest.param(api(401), 59, "", id="a-token-may-just-be-rotating"),
        pytest.param(api(401), 60, "ServiceAccount token", id="credentials-are-refused-for-long"),
        pytest.param(
            api(503), 60, "no pod could be created for 60 s", id="server-is-down-for-long"
        ),
    ],
)
def test_errors_that_last_raise_an_alarm(error, troubled_s, words):
    decision = decide(error, attempt=4, troubled_s=troubled_s)
    assert isinstance(decision, Retry)
    assert words in decision.alarm
    assert bool(words) is bool(decision.alarm)


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        pytest.param(api(422, "Invalid", "bad env"), "bad env", "pod_override", id="invalid"),
        pytest.param(api(403, message=RBAC), "cannot create", "Role", id="rbac"),
        pytest.param(
            api(403, message="violates PodSecurity"), "violates", "securityContext", id="ps"
        ),
        pytest.param(api(404), "404", "set [tradewind] namespace", id="namespace"),
    ],
)
def test_a_refusal_names_the_cause_and_the_remedy(error, cause, remedy):
    decision = decide(error)
    assert cause in decision.cause.sentence
    assert remedy in decision.cause.sentence


@pytest.mark.parametrize(
    ("message", "demand"),
    [
        pytest.param(QUOTA, "", id="no-pod-fits"),
        pytest.param(
            "exceeded quota: q, requested: cpu=8,memory=64Gi, used: cpu=5, limited: cpu=10",
            "cpu=8,memory=64Gi",
            id="a-smaller-pod-may-fit",
        ),
        pytest.param("exceeded quota: q, requested: pods=1,cpu=8, used: x", "", id="both"),
        pytest.param("exceeded quota", "", id="says-nothing"),
    ],
)
def test_a_quotas_refusal_tells_what_there_is_no_room_for(message, demand):
    assert decide(api(403, message=f"{message} exceeded quota")).demand == demand


@pytest.mark.parametrize(
    ("error", "answered", "overloaded", "pause_s"),
    [
        pytest.param(api(429, after=7.0), True, True, 7.0, id="asked-to-wait"),
        pytest.param(api(429), True, True, 1.0, id="throttled-without-a-word"),
        pytest.param(api(503), False, True, 0.0, id="nobody-behind-the-balancer"),
        pytest.param(api(503, after=2.0), True, True, 2.0, id="busy-and-says-so"),
        pytest.param(api(500, message=WEBHOOK), True, False, 0.0, id="a-webhook-is-not-the-server"),
        pytest.param(api(422), True, False, 0.0, id="a-refusal-is-an-answer"),
        pytest.param(ConnectionLostError("x"), False, False, 0.0, id="no-answer"),
        pytest.param(ssl.SSLError("x"), False, False, 0.0, id="no-handshake"),
    ],
)
def test_what_an_error_says_about_the_server(error, answered, overloaded, pause_s):
    said = feedback(error)
    assert (said.answered, said.overloaded, said.pause_s) == (answered, overloaded, pause_s)


@pytest.mark.parametrize(
    ("error", "again"),
    [
        pytest.param(api(404), False, id="gone-already"),
        pytest.param(api(409), False, id="name-belongs-to-another"),
        pytest.param(api(403), True, id="role-may-come-back"),
        pytest.param(api(500), True, id="server-error"),
        pytest.param(ConnectionLostError("reset"), True, id="no-answer"),
        pytest.param(OSError("reset"), True, id="raw-os-error"),
    ],
)
def test_delete_errors(error, again):
    assert (decide_delete(error, attempt=1) is not None) is again
