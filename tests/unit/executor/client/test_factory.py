"""Signing in as the client of a factory, which is Kubernetes' own Python client throughout."""

import asyncio
import sys
import threading
import types

import kubernetes_asyncio.client
import pytest
from kubernetes import client as kubernetes

from tradewind.client import connect, factory
from tradewind.client.errors import CredentialError
from tradewind.errors import ConfigError
from tradewind.testing.builders import settings


def api(**fields):
    """Return a client whose configuration has these fields."""
    configuration = kubernetes.Configuration()
    headers = fields.pop("headers", {})
    for name, value in ({"host": "https://api:6443/"} | fields).items():
        setattr(configuration, name, value)
    made = kubernetes.ApiClient(configuration)
    for name, value in headers.items():
        made.set_default_header(name, value)
    return kubernetes.CoreV1Api(made)


@pytest.fixture
def named(monkeypatch):
    """Return a function that puts a factory of a client where its import path finds it."""

    def name(make):
        module = types.ModuleType("of_a_user")
        module.build = make
        monkeypatch.setitem(sys.modules, "of_a_user", module)
        return "of_a_user.build"

    return name


@pytest.fixture
def of(named):
    """Return a function that signs in as a client with these fields."""
    return lambda **fields: factory.credentials(named(lambda: api(**fields)))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"api_key": {"authorization": "Bearer t"}}, id="token"),
        pytest.param(
            {"api_key": {"authorization": "t"}, "api_key_prefix": {"authorization": "Bearer"}},
            id="token-with-prefix",
        ),
        pytest.param({}, id="anonymous"),
        pytest.param(
            {"headers": {"X-Tenant": "a", "Impersonate-User": "ci"}}, id="headers-of-every-call"
        ),
        pytest.param({"headers": {"Authorization": "Custom x"}}, id="a-header-that-signs-in"),
    ],
)
async def test_a_call_bears_what_the_client_itself_would_send(named, serve, answer, fields):
    raw = await serve(answer(200, b'{"items": []}'), answer(200, b'{"items": []}'))
    path = named(lambda: api(**{"host": raw.url} | fields))
    theirs = api(**{"host": raw.url} | fields)
    await asyncio.to_thread(theirs.list_namespaced_pod, "a")
    ours = connect.connect(settings(client_factory=path))
    await ours.list_pods("a", selector="", limit=1)
    await ours.close()
    for name in ("Authorization", "X-Tenant", "Impersonate-User"):
        sent = [header(raw, name, number) for number in range(2)]
        assert sent[0] == sent[1]
    assert header(raw, "User-Agent", 1).startswith("tradewind/")


def header(raw, name, number):
    lines = (line.split(": ", 1) for line in raw.requests[number].split("\r\n")[1:] if line)
    return {key.lower(): value for key, value in lines}.get(name.lower())


async def test_the_token_is_refreshed_by_the_clients_own_hook_beside_the_loop(of):
    asked = []

    def refresh(configuration):
        asked.append(threading.get_ident())
        configuration.api_key["authorization"] = f"Bearer {len(asked)}"

    prover = of(api_key={"authorization": "old"}, refresh_api_key_hook=refresh).prover
    assert (await prover.proof()).authorization == "Bearer 1"
    assert threading.get_ident() not in asked


async def test_the_hook_is_asked_once_a_second_and_again_after_a_refusal():
    asked, now_s = [], [0.0]

    def refresh(configuration):
        asked.append(now_s[0])
        configuration.api_key["authorization"] = f"Bearer {len(asked)}"

    client = api(api_key={"authorization": "old"}, refresh_api_key_hook=refresh).api_client
    prover = factory.ClientProof(
        client, tls=None, pair=lambda: None, origin="f", clock_s=lambda: now_s[0]
    )
    assert [(await prover.proof()).authorization for _ in range(3)] == ["Bearer 1"] * 3
    prover.forget()
    assert (await prover.proof()).authorization == "Bearer 2"
    now_s[0] = 1.5
    assert (await prover.proof()).authorization == "Bearer 3"
    assert len(asked) == 3


async def test_a_hook_that_fails_is_a_sentence_and_is_asked_again_at_the_next_call(of):
    answers = [OSError("no token service"), None]

    def refresh(_):
        error = answers.pop(0)
        if error is not None:
            raise error

    prover = of(api_key={"authorization": "Bearer t"}, refresh_api_key_hook=refresh).prover
    with pytest.raises(CredentialError, match=r"refresh_api_key_hook of .*build.* no token serv"):
        await prover.proof()
    assert (await prover.proof()).authorization == "Bearer t"


async def test_certificates_and_trust_are_the_clients(
    named, serve, answer, authority, server_tls, tmp_path
):
    pair = authority.issue("ci")
    for name, content in (
        ("ca", authority.pem),
        ("crt", pair.certificate),
        ("key", pair.key),
    ):
        (tmp_path / name).write_bytes(content)
    tls = server_tls(authority.issue("kubernetes"), clients=authority)
    raw = await serve(answer(200, b'{"items": []}'), tls=tls)
    path = named(
        lambda: api(
            host=raw.url,
            ssl_ca_cert=str(tmp_path / "ca"),
            cert_file=str(tmp_path / "crt"),
            key_file=str(tmp_path / "key"),
            tls_server_name="kubernetes",
        )
    )
    cluster = connect.connect(settings(client_factory=path))
    await cluster.list_pods("a", selector="", limit=1)
    await cluster.close()
    assert raw.peers[0]["subject"] == ((("commonName", "ci"),),)


@pytest.mark.parametrize(
    ("fields", "verifies", "names"),
    [
        pytest.param({}, True, True, id="by-default"),
        pytest.param({"verify_ssl": False}, False, False, id="unverified"),
        pytest.param({"assert_hostname": False}, True, False, id="under-any-name"),
    ],
)
async def test_how_much_is_verified_is_the_clients_choice(of, fields, verifies, names):
    context = (await of(**fields).prover.proof()).ssl_context
    assert (bool(context.verify_mode), context.check_hostname) == (verifies, names)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"proxy": "http://proxy:3128"}, "http://proxy:3128", id="proxy"),
        pytest.param({"proxy": "http://proxy:3128", "no_proxy": "api"}, "", id="excepted"),
        pytest.param({"proxy": None}, "", id="none"),
    ],
)
def test_its_proxy_is_used(of, fields, expected):
    assert of(**fields).proxy == expected


def fails():
    raise PermissionError("no vault")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(fails, r"failed \(PermissionError: no vault\)", id="fails"),
        pytest.param(lambda: None, "returned a builtins.NoneType: return a", id="nothing"),
        pytest.param(lambda: api(host="api"), "the host of .* is 'api': write", id="no-address"),
        pytest.param(
            lambda: api(proxy_headers={"a": "b"}), "sets proxy_headers: write", id="proxy-headers"
        ),
        pytest.param(
            lambda: api(ssl_ca_cert="/none"), "ssl_ca_cert of .*cannot be read", id="no-bundle"
        ),
        pytest.param(
            lambda: api(cert_file="/none"), "cert_file of .*cannot be read", id="no-certificate"
        ),
    ],
)
def test_a_factory_that_cannot_be_used_is_one_sentence(named, make, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        factory.credentials(named(make))
    assert "[tradewind] client_factory 'of_a_user.build'" in str(caught.value)


async def test_the_asynchronous_client_is_refused(named):
    asynchronous = kubernetes_asyncio.client.ApiClient()
    with pytest.raises(ConfigError, match=r"kubernetes_asyncio.*return a kubernetes\.client\.Core"):
        factory.credentials(named(lambda: kubernetes_asyncio.client.CoreV1Api(asynchronous)))
    await asynchronous.close()


@pytest.mark.parametrize("path", ["nowhere.build", "json.nothing", "json", ""])
def test_a_path_that_leads_nowhere_is_one_sentence(path):
    with pytest.raises(ConfigError, match="client_factory"):
        factory.credentials(path)
