import json

import pytest

from tradewind.client import refusals

STATUS = {"kind": "Status", "code": 403, "reason": "Forbidden", "message": "exceeded quota: q"}


def refusal(payload, *, status=503, **more):
    return refusals.from_answer(status, reason="Unavailable", payload=payload, **more)


def test_the_api_servers_own_status_is_taken_over():
    error = refusal(json.dumps(STATUS).encode(), status=403)
    assert (error.status, error.reason, error.message) == (403, "Forbidden", "exceeded quota: q")
    assert error.is_quota


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(b"", "an empty body", id="nothing"),
        pytest.param(b"null", "no Status but 'null'", id="null"),
        pytest.param(b"[1]", "no Status but '[1]'", id="list"),
        pytest.param(b'"no"', "no Status but '\"no\"'", id="text"),
        pytest.param(b"{}", "no Status but '{}'", id="empty-object"),
        pytest.param(b'{"code":"x","reason":7}', 'no Status but \'{"code":"x"', id="wrong-types"),
        pytest.param(json.dumps(STATUS).encode()[:30], 'no Status but \'{"kind"', id="half"),
        pytest.param(b"\xff\xfe\x00bad", "no Status but '\ufffd\ufffd bad'", id="no-utf-8"),
        pytest.param(
            b'{"message":"\xff"}', 'no Status but \'{"message":"\ufffd', id="json-not-utf-8"
        ),
        pytest.param(
            b"<!DOCTYPE html><html><head><title>\n502 Bad\tGateway </title>" + b"x" * 999,
            "an HTML page titled '502 Bad Gateway'",
            id="html",
        ),
        pytest.param(b"<html><body>no", "an HTML page; is a proxy", id="html-without-a-title"),
        pytest.param(b"down\r\nfor\x1b[31mred", "'down for [31mred'", id="control-characters"),
        pytest.param(b"a" * 1_000_000, "…'; is a proxy", id="a-megabyte"),
    ],
)
def test_any_body_gives_a_short_sentence(payload, expected):
    error = refusal(payload)
    assert expected in str(error)
    assert error.status == 503
    assert error.retryable
    assert len(str(error)) < 320


def test_a_redirect_names_its_target_without_the_query():
    error = refusal(b"", status=302, location="https://login/?token=secret")
    assert "redirected to 'https://login/'" in str(error)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", None, id="absent"),
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("Thu, 01 Jan 1970 00:01:40 GMT", 90.0, id="date"),
        pytest.param("Thu, 01 Jan 1970 00:00:01 GMT", 0.0, id="past-date"),
        pytest.param("soon", None, id="words"),
        pytest.param("-3", None, id="negative"),
        pytest.param("²", None, id="digit-that-is-no-number"),
    ],
)
def test_retry_after(header, expected):
    assert refusal(b"", retry_after=header, now_s=10.0).retry_after_s == expected


@pytest.mark.parametrize(
    ("payload", "status", "message"),
    [
        pytest.param(b'{"code":410,"reason":"Expired"}', 410, "", id="status"),
        pytest.param(b"null", 500, "no Status but 'null'", id="null"),
        pytest.param(b'{"message":"odd"}', 500, "odd", id="no-code"),
    ],
)
def test_the_error_event_of_a_watch(payload, status, message):
    error = refusals.from_status_object(payload)
    assert error.status == status
    assert error.message.startswith(message)


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        pytest.param("Thu, 01 Jan 1970 00:01:40 GMT", -90.0, id="we-are-behind"),
        pytest.param("Thu, 01 Jan 1970 00:00:04 GMT", 6.0, id="we-are-ahead"),
        pytest.param("", None, id="no-header"),
        pytest.param("yesterday", None, id="no-date"),
    ],
)
def test_clock_skew(date, expected):
    assert refusals.skew_s(date, now_s=10.0) == expected
