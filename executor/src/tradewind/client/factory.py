"""Sign in as the client does that a function of the user returns: `[tradewind] client_factory`.

Airflow's KubernetesExecutor makes its calls with that client. Here they are made without it, and
everything that the client's `Configuration` says is taken over: server, trust, client certificate,
proxy, headers, and at each call the token, by its `refresh_api_key_hook` where it has one. What a
client does beyond its `Configuration`, in a `call_api` of its own, cannot be seen.
"""

from __future__ import annotations

import inspect
import pkgutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tradewind.client import proxy
from tradewind.client.auth import Credentials, Proof, usable_server
from tradewind.client.errors import CredentialError
from tradewind.client.files import FollowedFile
from tradewind.client.tls import KeyPair, TlsContexts, Trust
from tradewind.errors import ConfigError
from tradewind.user_code import UserCode

_ASK_EVERY_S = 1.0
"""The hook may ask the network, and is written for one call at a time."""
_HOOK_TIMEOUT_S = 30.0
_SET_BY_EACH_CALL = frozenset({"accept", "content-type", "user-agent"})


def credentials(path: str) -> Credentials:
    """Return what the client that the function at `path` returns would sign in with.

    Runs the function, which may block.

    Raises:
        ConfigError: it cannot be imported, fails, or its client cannot be stood in for.

    """
    origin = f"[tradewind] client_factory {path!r}"
    client = _client(path, origin)
    configuration = client.configuration
    server = usable_server(str(configuration.host), what=f"the host of {origin}")
    if configuration.proxy_headers:
        raise ConfigError(
            f"{origin} sets proxy_headers: write user and password into its proxy's URL"
        )
    tls = _tls(configuration, origin) if server.startswith("https") else None
    prover = ClientProof(client, tls=tls, pair=_pair(configuration, origin), origin=origin)
    prover.check()
    return Credentials(
        server=server,
        prover=prover,
        server_name=_server_name(configuration),
        proxy=proxy.choose(
            server,
            configured="",
            origin="",
            environ={
                "https_proxy": configuration.proxy or "",
                "http_proxy": configuration.proxy or "",
                "no_proxy": configuration.no_proxy or "",
            },
        ),
    )


class ClientProof:
    """What the client would present at this moment. Loop thread only."""

    def __init__(
        self,
        client: Any,
        *,
        tls: TlsContexts | None,
        pair: Callable[[], KeyPair | None],
        origin: str,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tls = tls
        self._pair = pair
        self._origin = origin
        self._clock_s = clock_s
        self._code = UserCode(timeout_s=_HOOK_TIMEOUT_S, remedy="mend what it waits for")
        self._headers: dict[str, str] = {}
        self._asked_s = float("-inf")

    async def proof(self) -> Proof:
        """Return the proof of this moment.

        Raises:
            CredentialError: the hook failed, or a file of the client is unusable.

        """
        try:
            if self._clock_s() - self._asked_s > _ASK_EVERY_S:
                # Taken before it is asked: calls of this moment go on with the last answer.
                self._asked_s, before_s = self._clock_s(), self._asked_s
                try:
                    self._headers = await self._current()
                except ConfigError:
                    self._asked_s = before_s
                    raise
            return self._proved()
        except ConfigError as error:
            raise CredentialError(str(error)) from error

    def forget(self) -> None:
        """Ask the client again at the next call."""
        self._asked_s = float("-inf")

    def check(self) -> None:
        """Read the client's files.

        Raises:
            ConfigError: one is missing or unusable.

        """
        self._proved()

    async def _current(self) -> dict[str, str]:
        if self._client.configuration.refresh_api_key_hook is None:
            return headers(self._client)
        title = f"refresh_api_key_hook of {self._origin}"
        return await self._code.run(lambda: headers(self._client), title=title)

    def _proved(self) -> Proof:
        more = dict(self._headers)
        authorization = more.pop("authorization", "")
        context = None
        if self._tls is not None:
            context = self._tls.current(self._pair(), origin=f"cert_file of {self._origin}")
        return Proof(authorization, context, tuple(sorted(more.items())))


def headers(client: Any) -> dict[str, str]:
    """Return the headers that the client sends with every call, by lower-case name."""
    sent = {name.lower(): value for name, value in client.default_headers.items()}
    if client.cookie:
        sent["cookie"] = client.cookie
    for setting in client.configuration.auth_settings().values():
        if setting["in"] == "header" and setting["value"]:
            sent[setting["key"].lower()] = setting["value"]
    return {name: value for name, value in sent.items() if name not in _SET_BY_EACH_CALL}


def _client(path: str, origin: str) -> Any:
    try:
        function = pkgutil.resolve_name(path)
    except Exception as error:
        raise ConfigError(
            f"{origin} cannot be imported ({type(error).__name__}: {error}): write the import path "
            "of a function that the scheduler and the API server can import"
        ) from error
    try:
        made = function()
    except Exception as error:
        raise ConfigError(
            f"{origin} failed ({type(error).__name__}: {error}): it is called without arguments"
        ) from error
    client = getattr(made, "api_client", None)
    settings = getattr(getattr(client, "configuration", None), "auth_settings", None)
    if settings is None or inspect.iscoroutinefunction(settings):
        raise ConfigError(
            f"{origin} returned a {type(made).__module__}.{type(made).__qualname__}: return a "
            "kubernetes.client.CoreV1Api"
        )
    return client


def _tls(configuration: Any, origin: str) -> TlsContexts:
    bundle = _file(configuration.ssl_ca_cert, f"ssl_ca_cert of {origin}")
    trust = Trust(
        authority=bytes if bundle is None else bundle.read,
        verify=bool(configuration.verify_ssl),
        check_name=configuration.assert_hostname is not False,
        origin=f"ssl_ca_cert of {origin}",
    )
    return TlsContexts(trust)


def _pair(configuration: Any, origin: str) -> Callable[[], KeyPair | None]:
    certificate = _file(configuration.cert_file, f"cert_file of {origin}")
    key = _file(configuration.key_file or configuration.cert_file, f"key_file of {origin}")
    if certificate is None or key is None:
        return lambda: None
    return lambda: KeyPair(certificate.read(), key.read())


def _file(path: str | None, what: str) -> FollowedFile | None:
    return FollowedFile(Path(path), what=what) if path else None


def _server_name(configuration: Any) -> str:
    names: Mapping[str, Any] = vars(configuration)
    for name in ("tls_server_name", "assert_hostname"):
        value = names.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
