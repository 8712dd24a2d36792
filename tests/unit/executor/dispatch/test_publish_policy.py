import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.publish_policy import Fail, LookUp, Retry, decide_create, decide_delete


def api(status, reason="", message="", after=None):
    return ApiError(status, reason=reason, message=message, retry_after_s=after)


QUOTA = api(403, "Forbidden", 'pods "x" is forbidden: exceeded quota: pods, used: 5, limited: 5')


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        pytest.param(ConnectionLostError("reset"), 1, Retry, id="no-answer"),
        pytest.param(api(429), 1, Retry, id="throttled"),
        pytest.param(api(500), 9, Retry, id="server-error"),
        pytest.param(api(503), 1, Retry, id="unavailable"),
        pytest.param(api(409, "AlreadyExists"), 1, LookUp, id="name-taken"),
        pytest.param(api(409, "Conflict"), 1, Retry, id="quota-bookkeeping-race"),
        pytest.param(QUOTA, 50, Retry, id="quota-waits"),
        pytest.param(api(403, "Forbidden", "no rights"), 1, Fail, id="no-rights"),
        pytest.param(api(401), 1, Retry, id="token-just-rotated"),
        pytest.param(api(401), 2, Fail, id="token-still-refused"),
        pytest.param(api(404, "NotFound"), 1, Fail, id="no-namespace"),
        pytest.param(api(400), 1, Fail, id="unreadable"),
        pytest.param(api(422, "Invalid"), 1, Fail, id="invalid-pod"),
    ],
)
def test_create_errors(error, attempt, expected):
    decision = decide_create(error, attempt=attempt, elapsed_s=1, budget_s=900)
    assert isinstance(decision, expected)


def test_a_budget_ends_even_passing_errors_but_a_name_conflict_is_still_looked_up():
    assert isinstance(decide_create(api(503), attempt=9, elapsed_s=900, budget_s=900), Fail)
    taken = api(409, "AlreadyExists")
    assert isinstance(decide_create(taken, attempt=9, elapsed_s=900, budget_s=900), LookUp)


def test_waits_grow_and_are_bounded_and_respect_the_server():
    waits = [
        decide_create(api(503), attempt=n, elapsed_s=0, budget_s=900).after_s for n in range(1, 12)
    ]
    assert waits == sorted(waits)
    assert waits[0] == 0.5
    assert waits[-1] == 30.0
    asked = decide_create(api(429, after=77.0), attempt=1, elapsed_s=0, budget_s=900)
    assert asked.after_s == 77.0


def test_a_refusal_names_the_remedy():
    decision = decide_create(api(422, "Invalid", "bad env"), attempt=1, elapsed_s=0, budget_s=9)
    assert "bad env" in decision.reason
    assert "pod_override" in decision.reason


@pytest.mark.parametrize(
    ("error", "again"),
    [
        pytest.param(api(404), False, id="gone-already"),
        pytest.param(api(409), False, id="name-belongs-to-another"),
        pytest.param(api(403), True, id="role-may-come-back"),
        pytest.param(api(500), True, id="server-error"),
        pytest.param(ConnectionLostError("reset"), True, id="no-answer"),
    ],
)
def test_delete_errors(error, again):
    assert (decide_delete(error, attempt=1) is not None) is again
