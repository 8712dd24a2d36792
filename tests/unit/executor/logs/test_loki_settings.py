"""Where Loki is, and bad input there."""

import httpx
import pytest

from tradewind.errors import ConfigError
from tradewind.logs import settings
from tradewind.logs.client import LokiClient, LokiError
from tradewind.logs.settings import LokiSettings


class Conf(dict):
    def has_option(self, section, key):
        return section == "tradewind" and key in self

    def get(self, section, key):
        return self[key]


def test_without_an_address_logs_are_left_to_airflow():
    assert settings.load(Conf()) is None
    assert settings.load(Conf(loki_url=" ", loki_tenant="x")) is None


def test_every_option_is_read():
    found = settings.load(
        Conf(
            loki_url="https://loki/base/",
            loki_tenant="t",
            loki_username="u",
            loki_password_file="/secret/password",
            loki_ca_file="/ca.crt",
            loki_environment="prod",
            loki_flush_timeout="7.5",
            grafana_url="https://grafana",
            grafana_datasource="P1",
        )
    )
    assert found == LokiSettings(
        url="https://loki/base",
        tenant="t",
        username="u",
        password_file="/secret/password",
        ca_file="/ca.crt",
        environment="prod",
        flush_timeout_s=7.5,
        grafana_url="https://grafana",
        grafana_datasource="P1",
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loki_url": "loki:3100"}, "loki_url is 'loki:3100': write the complete address"),
        ({"loki_username": "u"}, "loki_username and loki_password_file need each other"),
        ({"loki_password_file": "/x"}, "need each other"),
        ({"grafana_url": "http://g"}, "grafana_url and grafana_datasource need each other"),
        ({"loki_flush_timeout": "soon"}, "loki_flush_timeout is 'soon': write a float"),
        ({"loki_flush_timeout": "-1"}, "loki_flush_timeout is -1.0: the least value is 0"),
        ({"loki_flush_timeout": "nan"}, "loki_flush_timeout is nan: the least value is 0"),
        ({"loki_flush_timeout": "inf"}, "loki_flush_timeout is inf: the greatest value is 86400"),
    ],
)
def test_bad_settings_are_sentences(options, said):
    with pytest.raises(ConfigError, match=r".") as caught:
        settings.load(Conf({"loki_url": "http://loki"} | options))
    assert said in str(caught.value)


@pytest.fixture
def password(tmp_path):
    file = tmp_path / "password"
    file.write_text("old\n")
    return file


def client(handler, **options):
    loki = LokiSettings(url="http://loki:3100", **options)
    return LokiClient(loki, transport=httpx.MockTransport(handler))


def test_a_password_that_changed_is_read_again_when_loki_refuses_the_old_one(password):
    allowed = httpx.BasicAuth("u", "new")
    (wanted,) = allowed.auth_flow(httpx.Request("GET", "http://x"))

    def loki(request):
        known = request.headers["Authorization"] == wanted.headers["Authorization"]
        return httpx.Response(204 if known else 401, text="")

    pushing = client(loki, username="u", password_file=str(password))
    assert pushing.push(b"").status == 401
    password.write_text("new\n")
    assert pushing.push(b"").status == 204


def test_a_password_that_cannot_be_read_is_an_answer_and_an_error():
    pushing = client(lambda _: httpx.Response(204), username="u", password_file="/gone")
    answer = pushing.push(b"")
    assert answer.status == 0
    assert "/gone" in answer.text
    with pytest.raises(LokiError, match=r"does not answer: .*/gone"):
        pushing.query({})


def test_the_tenant_is_told_and_a_pause_is_heard():
    def loki(request):
        assert request.headers["X-Scope-OrgID"] == "team-a"
        assert request.headers["Content-Encoding"] == "gzip"
        return httpx.Response(429, text="slow down", headers={"Retry-After": "3"})

    answer = client(loki, tenant="team-a").push(b"x")
    assert (answer.status, answer.text, answer.retry_after_s) == (429, "slow down", 3)


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_question_that_is_not_answered_is_a_sentence(status):
    loki = client(lambda _: httpx.Response(status, text="<html>\nno</html>"))
    with pytest.raises(LokiError) as caught:
        loki.query({"query": "{}"})
    assert str(caught.value) == f"Loki at http://loki:3100 answered {status}: <html> no</html>"
    assert caught.value.status == status


def test_a_loki_that_is_not_there_is_a_sentence():
    def refused(request):
        raise httpx.ConnectError("refused")

    with pytest.raises(LokiError, match="Loki at http://loki:3100 does not answer: ConnectError"):
        client(refused).query({})
