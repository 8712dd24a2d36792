"""Signing in to a real API server while what signs in changes."""

import asyncio
import json

import pytest
import yaml
from kubernetes import client as kubernetes
from kubernetes import config as kubernetes_config

from tradewind.client import auth, factory
from tradewind.client.errors import ApiError, CredentialError
from tradewind.client.transport import Transport


@pytest.fixture
async def sign_in(api_server, tmp_path):
    """Return a function that connects as a kubeconfig's user."""
    opened = []

    def connect(user):
        cluster = {
            "server": api_server.server,
            "certificate-authority": str(api_server.folder / "certs/apiserver.crt"),
        }
        document = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": user}],
            "clusters": [{"name": "test", "cluster": cluster}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        credentials = auth.from_kubeconfig(str(tmp_path / "config"))
        opened.append(Transport(credentials, request_timeout_s=10))
        return opened[-1]

    yield connect
    for one in opened:
        await one.close()


def me(transport):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return transport.call("POST", path, body=body)


async def name_of(transport):
    return json.loads(await me(transport))["status"]["userInfo"]["username"]


def a_plugin(tmp_path, token):
    """Write a plugin that prints the token; returns the kubeconfig's user of it."""
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}}
    (tmp_path / "plugin").write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
    (tmp_path / "plugin").chmod(0o755)
    return {"exec": {"command": "./plugin", "apiVersion": version, "interactiveMode": "Never"}}


async def test_a_token_file_that_is_replaced_signs_in_again(sign_in, api_server, tmp_path):
    (tmp_path / "token").write_text("expired")
    client = sign_in({"tokenFile": "token"})
    with pytest.raises(ApiError, match="401 Unauthorized"):
        await me(client)
    (tmp_path / "token").write_text(api_server.token)
    assert await name_of(client) == "test"


async def test_an_exec_plugin_signs_in(sign_in, api_server, tmp_path):
    client = sign_in(a_plugin(tmp_path, api_server.token))
    names = await asyncio.gather(*(name_of(client) for _ in range(10)))
    assert set(names) == {"test"}


async def test_a_plugin_that_fails_later_is_named(sign_in, tmp_path):
    client = sign_in(a_plugin(tmp_path, "x"))
    (tmp_path / "plugin").write_text("#!/bin/sh\necho 'session ended: sign in' >&2\nexit 1\n")
    with pytest.raises(CredentialError, match="exit code 1: session ended: sign in"):
        await me(client)


async def test_the_servers_clock_is_known_after_a_call(sign_in, api_server):
    client = sign_in({"token": api_server.token})
    await me(client)
    assert abs(client.clock_skew_s) <= 3


async def test_a_client_factory_signs_in_and_refreshes_its_token(
    sign_in, api_server, tmp_path, monkeypatch
):
    # The client is made by its own loader, from a kubeconfig whose token has expired meanwhile.
    sign_in({"token": "expired"})
    hooks = []

    def build():
        configuration = kubernetes.Configuration()
        kubernetes_config.load_kube_config(
            str(tmp_path / "config"), client_configuration=configuration
        )

        def refresh(refreshed):
            hooks.append(refreshed)
            if len(hooks) > 1:
                (name,) = refreshed.api_key  # Another one in each major version of the client.
                refreshed.api_key[name] = f"Bearer {api_server.token}"

        configuration.refresh_api_key_hook = refresh
        return kubernetes.CoreV1Api(kubernetes.ApiClient(configuration))

    monkeypatch.setattr(factory.pkgutil, "resolve_name", lambda _: build)
    transport = Transport(factory.credentials("of_a_user.build"), request_timeout_s=10)
    # The first answer is 401, after which the hook is asked again and the call repeated.
    assert await name_of(transport) == "test"
    await transport.close()
    assert len(hooks) == 2
