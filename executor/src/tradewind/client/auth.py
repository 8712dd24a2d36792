"""Where the API server is and how to prove who we are.

In a pod: the mounted ServiceAccount, whose token is read again once a minute because the kubelet
rotates it. Elsewhere: a kubeconfig with client certificates or a token. Exec plugins and auth
providers are refused with a sentence rather than half supported.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tradewind.errors import ConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TOKEN_REREAD_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything needed to open a connection."""

    server: str
    """Base URL without a trailing slash."""
    ssl_context: ssl.SSLContext | None
    token: str = ""
    token_file: Path | None = None

    def bearer(self) -> TokenSource:
        """Return the source of this connection's bearer token."""
        return TokenSource(token=self.token, path=self.token_file)


class TokenSource:
    """A bearer token that follows its file. Loop thread only; reading it takes microseconds."""

    def __init__(self, *, token: str = "", path: Path | None = None) -> None:
        self._token = token
        self._path = path
        self._read_at_s = float("-inf")

    def headers(self) -> dict[str, str]:
        """Return the Authorization header, or nothing when certificates do the work."""
        if self._path is not None and time.monotonic() - self._read_at_s > _TOKEN_REREAD_S:
            self._token = self._path.read_text().strip()
            self._read_at_s = time.monotonic()
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def forget(self) -> None:
        """Read the file again at the next call, for instance after a 401."""
        self._read_at_s = float("-inf")


def in_cluster(*, verify_ssl: bool = True, ca_file: str = "") -> Credentials:
    """Return the credentials of the pod this process runs in.

    Raises:
        ConfigError: not in a pod, or the pod mounts no ServiceAccount token.

    """
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST"),
        os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    token_file = SERVICE_ACCOUNT / "token"
    if not host or not token_file.is_file():
        raise ConfigError(
            "in_cluster is True but this process has no mounted ServiceAccount token: "
            "set automountServiceAccountToken on the scheduler's pod, or [tradewind] in_cluster "
            "= False with a config_file"
        )
    netloc = f"[{host}]" if ":" in host else host
    return Credentials(
        server=f"https://{netloc}:{port}",
        ssl_context=_ssl_context(ca_file or str(SERVICE_ACCOUNT / "ca.crt"), verify=verify_ssl),
        token_file=token_file,
    )


def from_kubeconfig(
    path: str, *, context: str = "", verify_ssl: bool = True, ca_file: str = ""
) -> Credentials:
    """Return the credentials of one context of the kubeconfig at `path`.

    Raises:
        ConfigError: the file, the context or a usable credential is missing.

    """
    file = Path(path or os.environ.get("KUBECONFIG", "") or Path.home() / ".kube" / "config")
    if not file.is_file():
        raise ConfigError(f"no kubeconfig at {str(file)!r}: set [tradewind] config_file")
    document = yaml.safe_load(file.read_text()) or {}
    name = context or document.get("current-context", "")
    chosen = _named(document, "contexts", "context", name, file)
    cluster = _named(document, "clusters", "cluster", chosen.get("cluster", ""), file)
    user = _named(document, "users", "user", chosen.get("user", ""), file)
    for plugin in ("exec", "auth-provider"):
        if plugin in user:
            raise ConfigError(
                f"context {name!r} in {str(file)!r} signs in through {plugin!r}, which is not "
                "supported yet: use a context with client certificates or a token"
            )
    verify = verify_ssl and not cluster.get("insecure-skip-tls-verify", False)
    server = str(cluster.get("server", "")).rstrip("/")
    tls = _ssl_context(ca_file, verify=verify) if ca_file else _kubeconfig_tls(cluster, verify)
    _load_client_certificate(tls, user, folder=file.parent)
    token_file = user.get("tokenFile")
    return Credentials(
        server=server,
        ssl_context=tls if server.startswith("https") else None,
        token=user.get("token", ""),
        token_file=file.parent / token_file if token_file else None,
    )


def _named(
    document: dict[str, Any], plural: str, kind: str, name: str, file: Path
) -> dict[str, Any]:
    entries = {entry["name"]: entry.get(kind) or {} for entry in document.get(plural) or ()}
    if name not in entries:
        known = ", ".join(sorted(entries)) or "none"
        raise ConfigError(f"no {kind} {name!r} in {str(file)!r}: it has {known}")
    return dict(entries[name])


def _kubeconfig_tls(cluster: dict[str, Any], verify: bool) -> ssl.SSLContext:  # noqa: FBT001
    inline = cluster.get("certificate-authority-data")
    pem = base64.b64decode(inline).decode() if inline else ""
    return _ssl_context(cluster.get("certificate-authority", ""), verify=verify, ca_pem=pem)


def _ssl_context(ca_file: str, *, verify: bool, ca_pem: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file or None, cadata=ca_pem or None)
    # Python 3.13 also demands a keyUsage extension of the CA, which many clusters' CAs lack and
    # every other client accepts. Chain and host name are still checked. Delete when kubeadm, k3s
    # and the clouds' CAs carry it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_client_certificate(tls: ssl.SSLContext, user: dict[str, Any], *, folder: Path) -> None:
    """Give the context the user's certificate; inline ones pass through a private file."""
    if "client-certificate" in user:
        certificate, key = folder / user["client-certificate"], folder / user["client-key"]
        tls.load_cert_chain(certificate, key)
    elif "client-certificate-data" in user:
        # ssl reads certificates from files only; the folder is ours alone (0700) and short-lived.
        with tempfile.TemporaryDirectory(prefix="tradewind-") as private:
            certificate, key = Path(private, "crt"), Path(private, "key")
            certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
            key.write_bytes(base64.b64decode(user["client-key-data"]))
            tls.load_cert_chain(certificate, key)
