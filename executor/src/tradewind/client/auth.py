"""How to prove who we are, and keep proving it while tokens and certificates change.

In a pod: the mounted ServiceAccount. Elsewhere: one context of a kubeconfig, whose user signs in
with a token, a token file, a client certificate, an exec plugin or a password. Everything that can
change is read again when it did; nothing here waits for the network but plugins, as subprocesses.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tradewind.client import exec_plugin, kubeconfig, proxy
from tradewind.client.errors import CredentialError
from tradewind.client.exec_plugin import PluginCredentials
from tradewind.client.files import FollowedFile
from tradewind.client.kubeconfig import Entry
from tradewind.client.tls import KeyPair, Material, TlsContexts, Trust
from tradewind.errors import ConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_OF_PLUGIN = "what the exec plugin gave"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one call presents. Two proofs are equal when a server would judge them alike."""

    authorization: str
    """Value of the Authorization header, empty when certificates do the work."""
    ssl_context: ssl.SSLContext | None
    """None for a server that speaks plain HTTP."""
    headers: tuple[tuple[str, str], ...] = ()
    """More headers of every call."""


class Prover(Protocol):
    """Gives every call its proof. Loop thread only."""

    async def proof(self) -> Proof:
        """Return the proof of this moment; raises `CredentialError` when there is none."""
        ...

    def forget(self) -> None:
        """Load anew at the next call: the server refused the last proof."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Everything needed to open a connection."""

    server: str
    """Base URL without a trailing slash."""
    prover: Prover
    server_name: str = ""
    """Name the server's certificate is checked against, when it is not the URL's host."""
    proxy: str = ""


class FixedProof:
    """A proof that never changes, for tests and tools."""

    def __init__(self, *, token: str = "", ssl_context: ssl.SSLContext | None = None) -> None:
        self._proof = Proof(f"Bearer {token}" if token else "", ssl_context)

    async def proof(self) -> Proof:
        """Return it."""
        return self._proof

    def forget(self) -> None:
        """Nothing to load anew."""


class FollowedProof:
    """A proof that follows its files and its plugin."""

    def __init__(
        self,
        *,
        tls: TlsContexts | None,
        authorization: Callable[[], str] = str,
        pair: Callable[[], KeyPair | None] = lambda: None,
        pair_origin: str = "",
        files: Sequence[FollowedFile] = (),
        plugin: PluginCredentials | None = None,
    ) -> None:
        self._tls = tls
        self._authorization = authorization
        self._pair = pair
        self._pair_origin = pair_origin
        self._files = files
        self._plugin = plugin

    async def proof(self) -> Proof:
        """Return the proof of this moment.

        Raises:
            CredentialError: a file or the plugin gives none.

        """
        token, pair, origin = "", None, self._pair_origin
        if self._plugin is not None:
            credential = await self._plugin.current()
            token, pair, origin = credential.token, credential.pair, _OF_PLUGIN
        try:
            context = None
            if self._tls is not None:
                context = self._tls.current(pair or self._pair(), origin=origin)
            authorization = _bearer(token, _OF_PLUGIN) if token else self._authorization()
            return Proof(authorization, context)
        except ConfigError as error:
            raise CredentialError(str(error)) from error

    def check(self) -> None:
        """Read everything that can be read now, but for the plugin.

        Raises:
            ConfigError: a file is missing or unusable.

        """
        self._authorization()
        if self._tls is not None:
            self._tls.current(self._pair(), origin=self._pair_origin)

    def forget(self) -> None:
        """Read the files again and run the plugin again at the next call."""
        for file in self._files:
            file.forget()
        if self._plugin is not None:
            self._plugin.forget()


def in_cluster(*, verify_ssl: bool = True, ca_file: str = "") -> Credentials:
    """Return the credentials of the pod this process runs in.

    Raises:
        ConfigError: not in a pod, or the pod mounts no ServiceAccount token.

    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (SERVICE_ACCOUNT / "token").is_file():
        raise ConfigError(
            "in_cluster is True but this process has no mounted ServiceAccount token: "
            "set automountServiceAccountToken on the scheduler's pod, or [tradewind] in_cluster "
            "= False with a config_file"
        )
    netloc = f"[{host}]" if ":" in host else host
    server = f"https://{netloc}:{port}"
    token = FollowedFile(SERVICE_ACCOUNT / "token", what="the ServiceAccount's token")
    authority = _bundle(ca_file) or FollowedFile(
        SERVICE_ACCOUNT / "ca.crt", what="the ServiceAccount's CA bundle"
    )
    prover = FollowedProof(
        tls=TlsContexts(Trust(authority=authority.read, verify=verify_ssl, origin=authority.what)),
        authorization=lambda: _bearer(_text(token), token.what),
        files=(token, authority),
    )
    prover.check()
    return Credentials(
        server=server,
        prover=prover,
        proxy=proxy.choose(server, configured="", origin="", environ=os.environ),
    )


def from_kubeconfig(
    path: str, *, context: str = "", verify_ssl: bool = True, ca_file: str = ""
) -> Credentials:
    """Return the credentials of one context of the kubeconfig at `path`.

    An empty `path` means the files of KUBECONFIG, merged, or the one in the home folder.

    Raises:
        ConfigError: a file, the context or a usable credential is missing.

    """
    paths = [Path(path).expanduser()] if path else kubeconfig.default_paths()
    chosen = kubeconfig.load(paths, context=context)
    server = _server(chosen.cluster)
    trust = _trust(chosen.cluster, verify_ssl=verify_ssl, ca_file=ca_file)
    prover = _prover(chosen, trust if server.startswith("https") else None)
    prover.check()
    return Credentials(
        server=server,
        prover=prover,
        server_name=chosen.cluster.text("tls-server-name"),
        proxy=proxy.choose(
            server,
            configured=chosen.cluster.text("proxy-url"),
            origin=chosen.cluster.field("proxy-url"),
            environ=os.environ,
        ),
    )


def _server(cluster: Entry) -> str:
    return usable_server(cluster.text("server"), what=cluster.field("server"))


def usable_server(text: str, *, what: str) -> str:
    """Return a server's base URL without a trailing slash.

    Raises:
        ConfigError: it is none; `what` names it.

    """
    server = text.rstrip("/")
    try:
        parts = urlsplit(server)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(f"{what} is {server!r}: write https://HOST:PORT")
    return server


def _trust(cluster: Entry, *, verify_ssl: bool, ca_file: str) -> Trust:
    verify = verify_ssl and not cluster.flag("insecure-skip-tls-verify")
    bundle = _bundle(ca_file)
    if bundle is not None:
        return Trust(authority=bundle.read, verify=verify, origin=bundle.what)
    name = "certificate-authority"
    return Trust(authority=_pem(cluster, name), verify=verify, origin=cluster.field(name))


def _bundle(ca_file: str) -> FollowedFile | None:
    """Return the CA bundle of the settings, which replaces every other, or None."""
    return FollowedFile(Path(ca_file), what="[tradewind] ssl_ca_cert") if ca_file else None


def _prover(context: kubeconfig.Context, trust: Trust | None) -> FollowedProof:
    """Choose among the user's credentials in kubectl's order: token, plugin, password."""
    user = context.user
    for key in ("as", "as-groups", "as-uid", "as-user-extra"):
        if user.values.get(key):
            # Left out silently, calls would be made with more rights than the file says.
            raise ConfigError(f"{user.field(key)} is not supported: name a user of its own")
    tls = None if trust is None else TlsContexts(trust)
    pair, pair_origin = _key_pair(user)
    token_file, token = user.path("tokenFile"), user.text("token")
    authorization, files, plugin = _password(user), [], None
    if token_file is not None:
        file = FollowedFile(token_file, what=user.field("tokenFile"))
        authorization, files = lambda: _bearer(_text(file), file.what), [file]
    elif token:
        bearer = _bearer(token, user.field("token"))
        authorization = lambda: bearer  # noqa: E731 - one of three sources of one value
    elif "exec" in user.values:
        plugin = _plugin(context, trust)
    elif "auth-provider" in user.values:
        raise ConfigError(
            f"{user.field('auth-provider')} is gone from Kubernetes since 1.26: sign in with an "
            "exec plugin, for instance kubelogin or gke-gcloud-auth-plugin"
        )
    return FollowedProof(
        tls=tls,
        authorization=authorization,
        pair=pair,
        pair_origin=pair_origin,
        files=files,
        plugin=plugin,
    )


def _plugin(context: kubeconfig.Context, trust: Trust | None) -> PluginCredentials:
    if not isinstance(context.user.values["exec"], Mapping):
        raise ConfigError(f"{context.user.field('exec')} is no mapping: give it a `command`")
    info = exec_plugin.cluster_info(context.cluster, authority=trust.authority() if trust else b"")
    return PluginCredentials(exec_plugin.plugin_of(context.user, cluster=info))


def _key_pair(user: Entry) -> tuple[Callable[[], KeyPair | None], str]:
    """Return the reader of the user's client certificate and its name for errors."""
    has = [any(user.values.get(key + end) for end in ("", "-data")) for key in _PAIR]
    origin = user.field(_PAIR[0])
    if not any(has):
        return lambda: None, origin
    if not all(has):
        raise ConfigError(f"{origin} and {_PAIR[1]} belong together: give both or none")
    certificate, key = (_pem(user, name) for name in _PAIR)
    return lambda: KeyPair(certificate(), key()), origin


_PAIR = ("client-certificate", "client-key")


def _pem(entry: Entry, name: str) -> Material:
    """Return the reader of a PEM field: inline data wins over a file, as in kubectl."""
    data, path = entry.data(f"{name}-data"), entry.path(name)
    if data or path is None:
        return lambda: data
    return FollowedFile(path, what=entry.field(name)).read


def _password(user: Entry) -> Callable[[], str]:
    name = user.text("username")
    if not name:
        return str
    pair = base64.b64encode(f"{name}:{user.text('password')}".encode()).decode()
    return lambda: f"Basic {pair}"


def _bearer(token: str, origin: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(f"{origin} is no token: one line of ASCII without spaces is expected")
    return f"Bearer {token}"


def _text(file: FollowedFile) -> str:
    return file.read().decode(errors="replace").strip()
