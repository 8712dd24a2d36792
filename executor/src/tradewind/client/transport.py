"""HTTP to the API server: one session, signed calls, every failure as a `ClusterError`.

Loop thread only. Nothing is retried but a 401, once, when there is another proof to present.
Connections are kept alive and probed: one whose way vanished in a NAT or a load balancer is found
dead by TCP within a minute, instead of costing the next call its time limit.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from tradewind import __version__, metrics
from tradewind.call_options import CONNECT_TIMEOUT_S, Keepalive
from tradewind.client import refusals
from tradewind.client.auth import Credentials, Proof
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.metrics import UNMEASURED, Metrics

log = logging.getLogger(__name__)

_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_IDLE_S = 60.0
_SKEW_EVERY_S = 60.0
MOST_SKEW_S = 10.0
"""Airflow's leeway for a token that is not valid yet; beyond it tasks are refused as they start."""
_FIRST_BAD_STATUS = 300
_UNAUTHORIZED = 401
_COLLECTIONS = frozenset({"pods", "events", "resourcequotas", "limitranges"})
_VERBS = {"POST": "create", "DELETE": "delete", "PATCH": "patch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    data: bytes | None = None
    content_type: str = _JSON
    accept: str = _JSON


class Transport:
    """Signed calls to one API server. Opens its first connection at the first call."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        request_timeout_s: float,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        keepalive: Keepalive | None = Keepalive(),  # noqa: B008 - frozen
        measured: Metrics = UNMEASURED,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._request_timeout_s = request_timeout_s
        self._connect_timeout_s = min(connect_timeout_s, request_timeout_s)
        self._keepalive = keepalive
        self._metrics = measured
        self._wall_s = wall_s
        self._session: aiohttp.ClientSession | None = None
        self._dated = ("", 0.0)
        self._skew_due_s = float("-inf")

    @property
    def server(self) -> str:
        """Base URL without a trailing slash."""
        return self._credentials.server

    @property
    def clock_skew_s(self) -> float | None:
        """How far our clock is ahead of the server's, by its last answer; None before one.

        Whole seconds; a call's own duration counts in.
        """
        date, now_s = self._dated
        return refusals.skew_s(date, now_s=now_s)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "",
        accept: str = _JSON,
    ) -> bytes:
        """Return the answer's body.

        A `body` is sent as JSON, of a PATCH as a merge patch, unless `content_type` says otherwise.

        Raises:
            ApiError: the server answered with an error status, a redirect included.
            ConnectionLostError: no complete answer arrived in time.
            CredentialError: there is nothing to sign in with.

        """
        request = _Request(
            method=method,
            path=path,
            query=query or {},
            data=None if body is None else msgspec.json.encode(body),
            content_type=content_type or (_MERGE_PATCH if method == "PATCH" else _JSON),
            accept=accept,
            timeout=aiohttp.ClientTimeout(
                total=self._request_timeout_s, sock_connect=self._connect_timeout_s
            ),
        )
        async with self._answered(request) as answer:
            return await answer.read()

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str], silence_s: float, accept: str = _JSON
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open a long answer; it is lost after `silence_s` seconds without a byte.

        Raises as `call` does, inside the block too.
        """
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._connect_timeout_s, sock_read=silence_s
        )
        request = _Request(method="GET", path=path, query=query, accept=accept, timeout=timeout)
        async with self._answered(request) as answer:
            yield answer.content

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def _answered(self, request: _Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open one good answer, with another proof when the first is refused."""
        prover = self._credentials.prover
        try:
            async with contextlib.AsyncExitStack() as stack:
                proof = await prover.proof()
                answer = await self._open(stack, request, proof)
                if answer.status == _UNAUTHORIZED:
                    prover.forget()
                    other = await prover.proof()
                    if other != proof:
                        answer.release()
                        answer = await self._open(stack, request, other)
                if answer.status >= _FIRST_BAD_STATUS:
                    raise await self._refusal(answer)
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionLostError(
                f"no answer to {request.method} {request.path} from {self.server}: {_said(error)}"
            ) from error

    async def _open(
        self, stack: contextlib.AsyncExitStack, request: _Request, proof: Proof
    ) -> aiohttp.ClientResponse:
        headers = dict(proof.headers)
        headers |= {"Content-Type": request.content_type, "Accept": request.accept}
        if proof.authorization:
            headers["Authorization"] = proof.authorization
        began_s, status_class = time.monotonic(), "none"
        try:
            answer = await stack.enter_async_context(
                self._opened_session().request(
                    request.method,
                    self.server + request.path,
                    params=request.query,
                    data=request.data,
                    headers=headers,
                    timeout=request.timeout,
                    ssl=proof.ssl_context or True,
                    server_hostname=self._credentials.server_name or None,
                    proxy=self._credentials.proxy or None,
                    # A server of the Kubernetes API never redirects; a login page in between does.
                    allow_redirects=False,
                )
            )
            status_class = f"{answer.status // 100}xx"
        finally:
            verb = verb_of(request.method, request.path, request.query)
            self._metrics.count(metrics.API_REQUESTS, verb=verb, status_class=status_class)
            self._metrics.timing(metrics.API_LATENCY, time.monotonic() - began_s, verb=verb)
        self._note_clock(answer.headers.get("Date", ""), now_s=began_s)
        return answer

    def _note_clock(self, date: str, *, now_s: float) -> None:
        """Keep the server's time; measure and, when it is far from ours, tell it once a minute."""
        self._dated = (date, self._wall_s())
        if now_s < self._skew_due_s:
            return
        self._skew_due_s = now_s + _SKEW_EVERY_S
        skew_s = self.clock_skew_s
        if skew_s is None:
            return
        self._metrics.gauge(metrics.CLOCK_SKEW, skew_s)
        if abs(skew_s) > MOST_SKEW_S:
            log.warning(
                "this host's clock is %.0f s %s the API server's: synchronise the clocks, "
                "or tokens are refused",
                abs(skew_s),
                "ahead of" if skew_s > 0 else "behind",
            )

    async def _refusal(self, answer: aiohttp.ClientResponse) -> ApiError:
        payload = b""
        # A body that breaks off or never ends still came with a status, which says more.
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            while len(payload) < refusals.MOST_BYTES and (chunk := await answer.content.readany()):
                payload += chunk
        return refusals.from_answer(
            answer.status,
            reason=answer.reason or "",
            payload=payload[: refusals.MOST_BYTES],
            retry_after=answer.headers.get("Retry-After", ""),
            location=answer.headers.get("Location", ""),
            now_s=self._wall_s(),
        )

    def _opened_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    # Whoever calls has a limit of its own, such as create_concurrency: one here
                    # would let deletes and watches wait behind a burst of creates.
                    limit=0,
                    keepalive_timeout=_IDLE_S,
                    socket_factory=functools.partial(_socket, self._keepalive),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"tradewind/{__version__}"},
                # Proxies are chosen in `proxy`; aiohttp would also sign calls with ~/.netrc.
                trust_env=False,
            )
        return self._session


def verb_of(method: str, path: str, query: Mapping[str, str]) -> str:
    """Return the Kubernetes verb of a call, as RBAC and metrics name it."""
    if method != "GET":
        return _VERBS.get(method, method.lower())
    if "watch" in query:
        return "watch"
    return "list" if path.rpartition("/")[2] in _COLLECTIONS else "get"


def _socket(keepalive: Keepalive | None, address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket whose connection TCP probes while nothing is said on it, if it is to."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    if keepalive is None:
        return made
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", keepalive.idle_s),
        ("TCP_KEEPINTVL", keepalive.interval_s),
        ("TCP_KEEPCNT", keepalive.probes),
    ):
        if hasattr(socket, name):  # macOS names the first one otherwise.
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _said(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return (
            f"its certificate is not trusted ({error.certificate_error}): give its CA in the "
            "kubeconfig's certificate-authority or in [tradewind] ssl_ca_cert"
        )
    if isinstance(error, TimeoutError):
        return f"timed out ({error or 'request_timeout'})"
    return f"{type(error).__name__} {error}"
