import pytest

from tradewind.client.errors import ApiError, ConnectionLostError, CredentialError


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        *[pytest.param(ApiError(s), True, id=str(s)) for s in (408, 429, 500, 502, 503, 504)],
        *[pytest.param(ApiError(s), False, id=str(s)) for s in (400, 401, 403, 404, 409, 422)],
        pytest.param(ConnectionLostError("x"), True, id="no-answer"),
        pytest.param(CredentialError("x"), True, id="nothing-to-sign-in-with"),
    ],
)
def test_what_repeating_can_mend(error, retryable):
    assert error.retryable is retryable


def test_a_sentence_is_kept_whole_and_a_flood_is_cut():
    sentence = "violates PodSecurity: " + "x" * 700
    assert ApiError(403, message=sentence).message == sentence
    flood = ApiError(500, message="x" * 5000)
    assert len(flood.message) == 1001
    assert str(flood).endswith("x…")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ApiError(410), {"is_gone"}, id="gone"),
        pytest.param(ApiError(404), {"is_not_found"}, id="not-found"),
        pytest.param(ApiError(409, reason="AlreadyExists"), {"is_already_exists"}, id="exists"),
        pytest.param(ApiError(403, message="exceeded quota: q"), {"is_quota"}, id="quota"),
        pytest.param(ApiError(409, reason="Conflict"), set(), id="conflict"),
        pytest.param(ApiError(403, message="no"), set(), id="forbidden"),
        pytest.param(ApiError(400), set(), id="bad-request"),
    ],
)
def test_an_error_answers_what_it_is_and_nothing_else(error, expected):
    claims = {"is_gone", "is_not_found", "is_already_exists", "is_quota"}
    assert {name for name in claims if getattr(error, name)} == expected
