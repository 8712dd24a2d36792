"""Digests and charts from an OCI registry, and what it may answer instead."""

import base64
import json

import httpx
import pytest
from estate import digest

from tradewind.promotion import references
from tradewind.promotion.findings import RefusedError, UnusableError
from tradewind.promotion.registry import Registry

CHART = "oci://registry.example.com/charts/tradewind"


@pytest.mark.parametrize(
    ("text", "base", "version"),
    [
        (f"{CHART}:1.0.0", "https://registry.example.com/v2/charts/tradewind", "1.0.0"),
        ("127.0.0.1:5005/a/b@sha256:0", "http://127.0.0.1:5005/v2/a/b", "sha256:0"),
        ("localhost:5005/a:1", "http://localhost:5005/v2/a", "1"),
    ],
)
def test_a_reference_tells_where_to_ask(text, base, version):
    found = references.parse(text)
    assert (found.base, found.version) == (base, version)


@pytest.mark.parametrize("text", ["airflow:1", "registry.example.com/a", "a/b:1", ""])
def test_what_names_no_registry_is_refused(text):
    with pytest.raises(UnusableError, match="write HOST/REPOSITORY:TAG"):
        references.parse(text)


def test_a_chart_is_checked_against_its_digest(registry):
    pin = registry.put_chart("1.0.0")
    client = Registry()
    name = f"{pin.chart}@{pin.chart_digest}"
    assert client.chart(name) == b"chart 1.0.0"
    registry.blobs = dict.fromkeys(registry.blobs, b"something else")
    with pytest.raises(RefusedError, match="the registry holds something else, do not use it"):
        client.chart(name)
    registry.manifests["charts/tradewind", pin.chart_digest] = b"{}"
    with pytest.raises(RefusedError, match="the registry holds something else"):
        client.chart(name)


def test_an_image_is_no_chart(registry):
    pin = registry.put_chart("1.0.0")
    content = json.dumps({"layers": [{"mediaType": "application/x", "digest": "d"}]}).encode()
    registry.manifests["charts/tradewind", digest(content)] = content
    with pytest.raises(RefusedError, match="is no Helm chart: pin the digest of one"):
        Registry().chart(f"{pin.chart}@{digest(content)}")


class Guarded:
    """A registry that hands out tokens, as most public ones do."""

    def __init__(self, password=""):
        self.password, self.asked = password, []

    def __call__(self, request):
        self.asked.append(str(request.url))
        given = request.headers.get("Authorization", "")
        if request.url.host == "auth.example.com":
            wanted = f"Basic {base64.b64encode(self.password.encode()).decode()}"
            if self.password and given != wanted:
                return httpx.Response(401)
            return httpx.Response(200, json={"token": "granted"})
        if given != "Bearer granted":
            challenge = (
                'Bearer realm="https://auth.example.com/token",service="registry",'
                'scope="repository:charts/tradewind:pull"'
            )
            return httpx.Response(401, headers={"WWW-Authenticate": challenge})
        return httpx.Response(200, headers={"Docker-Content-Digest": "sha256:abc"})


def test_a_token_is_fetched_once_as_the_challenge_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    server = Guarded()
    client = Registry(httpx.MockTransport(server))
    assert client.digests([f"{CHART}:1.0.0", f"{CHART}:1.1.0"]) == {
        f"{CHART}:1.0.0": "sha256:abc",
        f"{CHART}:1.1.0": "sha256:abc",
    }
    tokens = [url for url in server.asked if "auth.example.com" in url]
    assert tokens == [
        "https://auth.example.com/token?service=registry&scope=repository%3Acharts%2Ftradewind%3Apull"
    ]


def test_what_docker_login_stored_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = Registry(httpx.MockTransport(Guarded("ada:pw")))
    with pytest.raises(UnusableError, match=r"`docker login registry\.example\.com` stores them"):
        client.digest(f"{CHART}:1.0.0")
    auth = base64.b64encode(b"ada:pw").decode()
    stored = {"auths": {"registry.example.com": {"auth": auth}}}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    client = Registry(httpx.MockTransport(Guarded("ada:pw")))
    assert client.digest(f"{CHART}:1.0.0") == "sha256:abc"
