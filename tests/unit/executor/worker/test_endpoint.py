import ssl
from collections import deque

import pytest

from tradewind import contract
from tradewind.testing.fake_airflow import FakeAirflow, Said, endpoint_says
from tradewind.worker import endpoint as module
from tradewind.worker.answers import Answer
from tradewind.worker.endpoint import Endpoint


def no_tls():
    raise AssertionError("an http address needs no TLS")


@pytest.fixture
def endpoint(airflow, token_file):
    made = an_endpoint(airflow.board_url, token_file)
    yield made
    made.close()


def an_endpoint(url, token_file, tls=no_tls):
    return Endpoint(url=url, token_file=token_file, template="abc", worker="1.2.3", tls=tls)


def test_the_request_presents_the_pod_and_names_no_launch(airflow, endpoint):
    endpoint.ask(hold_s=25)
    (request,) = airflow.requests
    assert (request.method, request.path) == ("POST", "/tradewind/v1/board")
    assert request.token == "eyJ.of-the-pod"
    assert request.body == {
        "protocol": contract.PROTOCOL,
        "template": "abc",
        "worker": "1.2.3",
        "hold": 25,
    }


def test_the_token_is_read_again_for_every_request(airflow, endpoint, token_file):
    endpoint.ask(hold_s=1)
    token_file.write_text("renewed")
    endpoint.ask(hold_s=1)
    assert [request.token for request in airflow.requests] == ["eyJ.of-the-pod", "renewed"]


def test_the_connection_is_kept(airflow, endpoint):
    for _ in range(3):
        endpoint.ask(hold_s=1)
    assert len({request.port for request in airflow.requests}) == 1


def test_a_kept_connection_that_the_server_closed_is_no_news(airflow, endpoint):
    airflow.boarding = deque([endpoint_says(204), Said(drops=True), endpoint_says(204)])
    endpoint.ask(hold_s=1)
    assert endpoint.ask(hold_s=1).status == 204
    assert len({request.port for request in airflow.requests}) == 2


def test_a_new_connection_that_the_server_closes_is_news(airflow, endpoint):
    airflow.boarding = deque([Said(drops=True), endpoint_says(204)])
    answer = endpoint.ask(hold_s=1)
    assert (answer.status, answer.detail.partition(":")[0]) == (0, "RemoteDisconnected")
    assert endpoint.ask(hold_s=1).status == 204


def test_a_connection_that_the_server_ends_with_its_answer_is_opened_anew(airflow, endpoint):
    airflow.boarding = deque(
        [endpoint_says(204), Said(status=503, headers={"Connection": "close"})]
    )
    assert [endpoint.ask(hold_s=1).status for _ in range(3)] == [204, 503, 503]


def test_an_answer_says_whether_our_endpoint_gave_it(airflow, endpoint):
    page = Said(body=b"<html>", content_type="text/html")
    airflow.boarding = deque([endpoint_says(200, {"type": "ExecuteTask"}), page])
    assert endpoint.ask(hold_s=1) == Answer(status=200, ours=True, body=b'{"type": "ExecuteTask"}')
    assert endpoint.ask(hold_s=1) == Answer(status=200, ours=False, body=b"<html>")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"reason": "not_open", "state": "running"}, "not_open, running"),
        ({"detail": "token expired"}, "token expired"),
        ({"detail": [{"loc": ["body"]}]}, ""),
        (["what"], ""),
        ({"reason": "x" * 999}, "x" * 200),
    ],
)
def test_a_refusal_is_quoted_in_short(airflow, endpoint, body, detail):
    airflow.boarding = deque([endpoint_says(409, body)])
    assert endpoint.ask(hold_s=1).detail == detail


@pytest.mark.parametrize(("header", "seconds"), [("3", 3.0), ("Thu, 01 Jan", None), ("-1", 0.0)])
def test_a_wish_to_wait_is_read(airflow, endpoint, header, seconds):
    airflow.boarding = deque([Said(status=429, headers={"Retry-After": header})])
    assert endpoint.ask(hold_s=1).retry_after_s == seconds


def test_a_server_that_is_not_there_is_no_answer(token_file):
    answer = an_endpoint("http://127.0.0.1:1/board", token_file).ask(hold_s=1)
    assert answer.status == 0
    assert answer.detail.startswith("ConnectionRefusedError")


def test_a_server_that_says_nothing_is_given_up_after_the_hold(airflow, endpoint, monkeypatch):
    monkeypatch.setattr(module, "_GRACE_S", 0.05)
    airflow.boarding = deque([Said(after_s=0.5, status=204), endpoint_says(204)])
    assert endpoint.ask(hold_s=0.01).detail.startswith("TimeoutError")
    assert endpoint.ask(hold_s=0.01).status == 204


@pytest.mark.parametrize("spoil", [lambda file: file.unlink(), lambda file: file.write_text("é")])
def test_without_a_token_the_pod_counts_as_refused_and_asks_nobody(
    airflow, endpoint, token_file, spoil
):
    spoil(token_file)
    answer = endpoint.ask(hold_s=1)
    assert (answer.status, answer.ours) == (401, True)
    assert "no token to present" in answer.detail
    assert airflow.requests == []


@pytest.fixture
def secure_airflow(authority, tmp_path):
    pair = authority.issue("localhost")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    with FakeAirflow(certificate=str(certificate), key=str(key)).started() as server:
        yield server


def test_https_is_spoken_over_a_kept_connection(secure_airflow, token_file, authority):
    trusting = ssl.create_default_context(cadata=authority.pem.decode())
    endpoint = an_endpoint(secure_airflow.board_url, token_file, lambda: trusting)
    assert [endpoint.ask(hold_s=1).status for _ in range(2)] == [204, 204]
    assert len({request.port for request in secure_airflow.requests}) == 1
    endpoint.close()


def test_a_server_that_is_not_trusted_gets_no_token(secure_airflow, token_file):
    endpoint = an_endpoint(secure_airflow.board_url, token_file, ssl.create_default_context)
    assert endpoint.ask(hold_s=1).detail.startswith("SSLCertVerificationError")
    assert secure_airflow.requests == []


def test_proxy_variables_count_as_they_do_for_the_sdk(airflow, token_file, monkeypatch):
    monkeypatch.setenv("http_proxy", airflow.url)
    monkeypatch.delenv("no_proxy", raising=False)
    endpoint = an_endpoint("http://airflow.example/tradewind/v1/board", token_file)
    endpoint.ask(hold_s=1)
    assert airflow.requests[0].path == "http://airflow.example/tradewind/v1/board"
    monkeypatch.setenv("no_proxy", "localhost")
    direct = an_endpoint(airflow.board_url, token_file)
    assert direct.ask(hold_s=1).status == 204
