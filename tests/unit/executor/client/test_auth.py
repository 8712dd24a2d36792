import base64
import json

import pytest
import yaml

from tradewind.client import auth
from tradewind.client.errors import CredentialError
from tradewind.errors import ConfigError


@pytest.fixture
def kubeconfig(tmp_path, authority):
    """Return a function that writes a kubeconfig of one user and loads it."""
    (tmp_path / "ca.crt").write_bytes(authority.pem)

    def load(user, *, cluster=None, **more):
        fields = {"server": "https://api:6443/", "certificate-authority": "ca.crt"}
        document = {
            "current-context": "dev",
            "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": fields | (cluster or {})}],
            "users": [{"name": "u", "user": user}],
        }
        path = tmp_path / "config"
        path.write_text(yaml.safe_dump(document))
        return auth.from_kubeconfig(str(path), **more)

    return load


async def authorization(credentials):
    return (await credentials.prover.proof()).authorization


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"token": "t"}, "Bearer t", id="token"),
        pytest.param({"username": "a", "password": "b"}, "Basic YTpi", id="password"),
        pytest.param({"token": "t", "exec": {}}, "Bearer t", id="token-before-plugin"),
        pytest.param({"token": "t", "username": "a"}, "Bearer t", id="token-before-password"),
        pytest.param({}, "", id="anonymous"),
    ],
)
async def test_what_a_user_presents(kubeconfig, user, expected):
    assert await authorization(kubeconfig(user)) == expected


async def test_a_token_file_is_followed_and_wins_over_a_token(kubeconfig, tmp_path):
    (tmp_path / "token").write_text("first\n")
    credentials = kubeconfig({"tokenFile": "token", "token": "other"})
    assert await authorization(credentials) == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert await authorization(credentials) == "Bearer second"


async def test_certificate_files_are_followed(kubeconfig, tmp_path, authority):
    def write(pair):
        (tmp_path / "crt").write_bytes(pair.certificate)
        (tmp_path / "key").write_bytes(pair.key)

    write(authority.issue("ci"))
    credentials = kubeconfig({"client-certificate": "crt", "client-key": "key"})
    first = await credentials.prover.proof()
    assert await credentials.prover.proof() == first
    write(authority.issue("ci"))
    assert await credentials.prover.proof() != first


async def test_inline_certificates_serve_too(kubeconfig, authority):
    pair = authority.issue("ci")
    inline = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    proof = await kubeconfig(inline).prover.proof()
    assert proof.authorization == ""
    assert proof.ssl_context is not None


async def test_a_plugins_certificate_is_presented(kubeconfig, tmp_path, authority):
    pair = authority.issue("ci")
    certificate, key = pair.certificate.decode(), pair.key.decode()
    status = {"clientCertificateData": certificate, "clientKeyData": key}
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    (tmp_path / "answer").write_text(json.dumps(answer))
    (tmp_path / "plugin").write_text(f"#!/bin/sh\ncat {tmp_path / 'answer'}\n")
    (tmp_path / "plugin").chmod(0o755)
    credentials = kubeconfig({"exec": {"command": "./plugin", "apiVersion": version}})
    before = credentials.prover._tls.current(None, origin="")
    assert (await credentials.prover.proof()).ssl_context is not before


async def test_a_plugins_odd_token_is_an_error_of_ours(kubeconfig, tmp_path):
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "a\r\nX: y"}}
    (tmp_path / "answer").write_text(json.dumps(answer))
    (tmp_path / "plugin").write_text(f"#!/bin/sh\ncat {tmp_path / 'answer'}\n")
    (tmp_path / "plugin").chmod(0o755)
    credentials = kubeconfig({"exec": {"command": "./plugin", "apiVersion": version}})
    with pytest.raises(CredentialError, match="what the exec plugin gave is no token"):
        await credentials.prover.proof()


async def test_a_plugin_is_not_run_before_the_first_call(kubeconfig):
    spec = {"command": "tradewind-no-such-plugin", "apiVersion": "client.authentication.k8s.io/v1"}
    credentials = kubeconfig({"exec": spec})
    with pytest.raises(CredentialError, match="cannot be run"):
        await credentials.prover.proof()


def test_server_name_and_proxy_are_taken_over(kubeconfig):
    cluster = {"tls-server-name": "kubernetes", "proxy-url": "http://proxy:3128"}
    credentials = kubeconfig({"token": "t"}, cluster=cluster)
    assert credentials.server == "https://api:6443"
    assert credentials.server_name == "kubernetes"
    assert credentials.proxy == "http://proxy:3128"


async def test_a_plain_http_server_needs_no_certificates(kubeconfig):
    credentials = kubeconfig({}, cluster={"server": "http://127.0.0.1:8001"})
    assert (await credentials.prover.proof()).ssl_context is None


@pytest.mark.parametrize(
    ("cluster", "more"),
    [
        pytest.param({"insecure-skip-tls-verify": True}, {}, id="kubeconfig"),
        pytest.param({}, {"verify_ssl": False}, id="setting"),
    ],
)
async def test_the_servers_certificate_can_go_unchecked(kubeconfig, cluster, more):
    proof = await kubeconfig({}, cluster=cluster, **more).prover.proof()
    assert not proof.ssl_context.check_hostname


async def test_the_settings_bundle_replaces_the_kubeconfigs(kubeconfig, tmp_path, authority):
    (tmp_path / "other.crt").write_bytes(authority.pem)
    broken = {"certificate-authority": "none.crt"}
    credentials = kubeconfig({}, cluster=broken, ca_file=str(tmp_path / "other.crt"))
    assert (await credentials.prover.proof()).ssl_context.cert_store_stats()["x509_ca"] == 1


@pytest.mark.parametrize(
    ("user", "cluster", "sentence"),
    [
        pytest.param(
            {}, {"server": "api"}, "server of cluster 'c' .*: write https://", id="server"
        ),
        pytest.param(
            {}, {"certificate-authority": "no"}, "certificate-authority of cluster 'c'", id="no-ca"
        ),
        pytest.param(
            {"tokenFile": "no"}, {}, "tokenFile of user 'u' .* cannot be read", id="no-token-file"
        ),
        pytest.param(
            {"client-certificate": "c"}, {}, "client-key belong together", id="half-a-pair"
        ),
        pytest.param(
            {"client-certificate-data": "YQ==", "client-key-data": "YQ=="},
            {},
            "client-certificate of user 'u' .* cannot be used",
            id="no-pem",
        ),
        pytest.param({}, {"server": "https://a:b"}, "server of .*write https:", id="server-port"),
        pytest.param({}, {"server": "https://[a"}, "server of .*write https:", id="server-bracket"),
        pytest.param({"token": "a\nb"}, {}, "token of user 'u' .*is no token: one", id="two-lines"),
        pytest.param({"as": "admin"}, {}, "as of user 'u' .*is not supported", id="impersonation"),
        pytest.param({"exec": "aws"}, {}, "exec of user 'u' .*is no mapping", id="exec-is-text"),
        pytest.param(
            {"auth-provider": {"name": "gcp"}}, {}, "gone from Kubernetes since 1.26", id="provider"
        ),
        pytest.param({}, {"proxy-url": "socks5://p:1"}, "proxy-url of cluster 'c'", id="socks"),
    ],
)
def test_an_unusable_entry_is_an_error_at_the_start(kubeconfig, user, cluster, sentence):
    with pytest.raises(ConfigError, match=sentence):
        kubeconfig(user, cluster=cluster)


@pytest.fixture
def mounted(tmp_path, authority, monkeypatch):
    """Mount a ServiceAccount as the kubelet does."""
    (tmp_path / "token").write_text("first")
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    monkeypatch.setattr(auth, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


async def test_in_a_pod_the_rotated_token_is_presented(mounted):
    credentials = auth.in_cluster()
    assert credentials.server == "https://10.96.0.1:443"
    assert await authorization(credentials) == "Bearer first"
    (mounted / "token").write_text("second")
    assert await authorization(credentials) == "Bearer second"


@pytest.mark.usefixtures("mounted")
def test_an_ipv6_service_is_put_in_brackets(monkeypatch):
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    assert auth.in_cluster().server == "https://[fd00::1]:443"


def test_outside_a_pod_the_remedy_is_named(mounted):
    (mounted / "token").unlink()
    with pytest.raises(ConfigError, match="set automountServiceAccountToken"):
        auth.in_cluster()


def test_a_token_that_is_no_text_is_an_error(mounted):
    (mounted / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="the ServiceAccount's token is no token"):
        auth.in_cluster()


async def test_in_a_pod_too_the_settings_bundle_wins(mounted, authority):
    (mounted / "ca.crt").unlink()
    with pytest.raises(ConfigError, match=r"the ServiceAccount's CA bundle is .*cannot be read"):
        auth.in_cluster()
    (mounted / "other.crt").write_bytes(authority.pem)
    proof = await auth.in_cluster(ca_file=str(mounted / "other.crt")).prover.proof()
    assert proof.ssl_context.cert_store_stats()["x509_ca"] == 1
