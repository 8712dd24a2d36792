"""An OCI registry over its HTTP API: digests of tags, and charts by digest. Reads only.

Credentials come from Docker's own file (`auths` of `$DOCKER_CONFIG/config.json`); helpers are not
called. Without any, the registry is asked anonymously.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from tradewind.promotion import references
from tradewind.promotion.findings import RefusedError, UnreachableError, UnusableError
from tradewind.promotion.references import Reference

TIMEOUT_S = 20.0
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
PARAMETER = re.compile(r'(\w+)="([^"]*)"')
MOST_BYTES = 20 * 1024 * 1024
"""Of a chart: ours is a hundredth of it."""


class Registry:
    """One client for all registries of a command. Not for threads."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, transport=transport)
        self._tokens: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def digests(self, names: Iterable[str]) -> dict[str, str | None]:
        """Return reference -> digest, None for what the registry has not.

        Raises:
            UnreachableError: a registry does not answer, or refuses us.

        """
        return {name: self.digest(name) for name in names}

    def digest(self, name: str) -> str | None:
        """Return the digest of one tag or digest, None when it is not there."""
        reference = references.parse(name)
        url = f"{reference.base}/manifests/{reference.version}"
        answer = self._ask("HEAD", url, reference=reference)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        self._require(answer, reference=reference)
        found: str | None = answer.headers.get("Docker-Content-Digest")
        return found or self._digest_of_body(url, reference=reference)

    def chart(self, name: str) -> bytes:
        """Return a chart's archive by `oci://…@sha256:…`, its content checked against the digest.

        Raises:
            RefusedError: it is not there, is no chart, or is not what its digest says.
            UnreachableError: the registry does not answer.

        """
        reference = references.parse(name)
        text = self._get(f"{reference.base}/manifests/{reference.version}", reference=reference)
        _check(text, digest=reference.version, what=str(reference))
        layers = _chart_layers(text)
        if not layers:
            raise RefusedError(f"{reference} is no Helm chart: pin the digest of one")
        digest = str(layers[0]["digest"])
        content = self._get(f"{reference.base}/blobs/{digest}", reference=reference)
        _check(content, digest=digest, what=f"the archive of {reference}")
        return content

    def _digest_of_body(self, url: str, *, reference: Reference) -> str:
        return f"sha256:{hashlib.sha256(self._get(url, reference=reference)).hexdigest()}"

    def _get(self, url: str, *, reference: Reference) -> bytes:
        answer = self._ask("GET", url, reference=reference)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise RefusedError(f"the registry has no {reference}: push it back, or release anew")
        self._require(answer, reference=reference)
        if len(answer.content) > MOST_BYTES:
            raise RefusedError(f"{reference} has {len(answer.content)} bytes: no chart is so large")
        return answer.content

    def _ask(self, method: str, url: str, *, reference: Reference) -> httpx.Response:
        key = f"{reference.host}/{reference.repository}"
        answer = self._send(method, url, token=self._tokens.get(key, ""), host=reference.host)
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code != httpx.codes.UNAUTHORIZED or key in self._tokens:
            return answer
        self._tokens[key] = self._authorize(challenge, reference=reference)
        return self._send(method, url, token=self._tokens[key], host=reference.host)

    def _send(self, method: str, url: str, *, token: str, host: str) -> httpx.Response:
        headers = {"Accept": MANIFESTS} | ({"Authorization": token} if token else {})
        try:
            return self._client.request(method, url, headers=headers)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"registry {host} does not answer ({type(error).__name__}): try again when it does"
            ) from error

    def _authorize(self, challenge: str, *, reference: Reference) -> str:
        """Return the Authorization header that the registry's challenge asks for."""
        basic = _credentials(reference.host)
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and basic:
            return f"Basic {basic}"
        parameters = dict(PARAMETER.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in parameters:
            raise _login(reference.host)
        query = {"service": parameters.get("service", "")}
        query["scope"] = parameters.get("scope", f"repository:{reference.repository}:pull")
        realm = httpx.URL(parameters["realm"]).copy_merge_params(query)
        answer = self._send(
            "GET", str(realm), token=f"Basic {basic}" if basic else "", host=reference.host
        )
        if not answer.is_success:
            raise _login(reference.host)
        granted = answer.json()
        return f"Bearer {granted.get('token') or granted.get('access_token')}"

    def _require(self, answer: httpx.Response, *, reference: Reference) -> None:
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise _login(reference.host)
        if not answer.is_success:
            raise UnreachableError(
                f"registry {reference.host} answers {answer.status_code} for {reference}: "
                "try again when it works"
            )


def _login(host: str) -> UnusableError:
    return UnusableError(f"registry {host} wants credentials: `docker login {host}` stores them")


def _chart_layers(manifest: bytes) -> list[dict[str, Any]]:
    try:
        layers = json.loads(manifest).get("layers", [])
    except (ValueError, AttributeError):
        return []
    return [layer for layer in layers if layer.get("mediaType") == CHART_LAYER]


def _check(content: bytes, *, digest: str, what: str) -> None:
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if digest.startswith("sha256:") and found != digest:
        raise RefusedError(f"{what} is {found}: the registry holds something else, do not use it")


def _credentials(host: str) -> str:
    """Return what `docker login` stored for a host, base64, empty when nothing is stored."""
    home = Path(os.environ.get("DOCKER_CONFIG", "") or Path.home() / ".docker")
    try:
        auths = json.loads((home / "config.json").read_text(encoding="utf-8")).get("auths", {})
    except (OSError, ValueError, AttributeError):
        return ""
    for key in (host, f"https://{host}", f"https://{host}/v1/"):
        entry = auths.get(key) or {}
        if entry.get("auth"):
            return str(entry["auth"])
        if entry.get("username"):
            pair = f"{entry['username']}:{entry.get('password', '')}"
            return base64.b64encode(pair.encode()).decode()
    return ""
