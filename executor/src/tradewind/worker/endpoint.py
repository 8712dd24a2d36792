"""One request to the boarding endpoint, over a connection that is kept.

`http.client`, not httpx, although Airflow's SDK has that loaded: a request costs a third of the
processor time, and the last one stands between a claim and its task. What decides whether the
server is reached and trusted is the SDK's: the same TLS context, the same proxy variables.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from tradewind import contract
from tradewind.worker.answers import Answer

_CONNECT_S = 5.0
_GRACE_S = 10.0
"""Seconds beyond the hold until a silent server counts as down."""
_DETAIL_CHARS = 200


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """The endpoint at `url`, as one pod sees it. One thread."""

    url: str
    token_file: Path
    template: str
    """Hash of what the pod was rendered from."""
    worker: str
    """Version of this package."""
    tls: Callable[[], ssl.SSLContext]
    """Called once, for an https URL only."""
    _kept: HTTPConnection | None = field(default=None, init=False)

    def ask(self, *, hold_s: float) -> Answer:
        """Return the answer to one request that the server may hold so long. Never raises."""
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            # Like a refused identity: it may come back, and for ever is too long for a mistake.
            return Answer(
                status=HTTPStatus.UNAUTHORIZED, ours=True, detail=f"no token to present: {error}"
            )
        try:
            return self._answer(self._request(token, hold_s))
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            return Answer(detail=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Close the kept connection, if there is one."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _request(self, token: str, hold_s: float) -> HTTPResponse:
        if self._kept is not None:
            try:
                return self._send(self._kept, token, hold_s)
            except (ConnectionError, HTTPException):
                # The server closed it while nobody was looking: no news about the server.
                self.close()
        self._kept = _connection(self.url, self.tls)
        return self._send(self._kept, token, hold_s)

    def _send(self, connection: HTTPConnection, token: str, hold_s: float) -> HTTPResponse:
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(hold_s + _GRACE_S)
        body = {
            "protocol": contract.PROTOCOL,
            "template": self.template,
            "worker": self.worker,
            "hold": hold_s,
        }
        connection.request(
            "POST",
            _target(self.url, connection),
            body=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        return connection.getresponse()

    def _answer(self, response: HTTPResponse) -> Answer:
        body = response.read()
        if response.will_close:
            self.close()
        return Answer(
            status=response.status,
            ours=response.headers.get(contract.SERVER_TIME) is not None,
            body=body,
            detail=_detail(body) if response.status != HTTPStatus.OK else "",
            retry_after_s=_seconds(response.headers.get("Retry-After")),
        )


def _connection(url: str, tls: Callable[[], ssl.SSLContext]) -> HTTPConnection:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    proxy = None if proxy_bypass(host) else getproxies().get(parts.scheme)
    if proxy is not None:
        at = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        host, port = at.hostname or "", at.port
    if parts.scheme != "https":
        return HTTPConnection(host, port, timeout=_CONNECT_S)
    connection = HTTPSConnection(host, port, timeout=_CONNECT_S, context=tls())
    if proxy is not None:
        connection.set_tunnel(parts.hostname or "", parts.port)
    return connection


def _target(url: str, connection: HTTPConnection) -> str:
    """Return what the request line names: a plain proxy wants the whole address."""
    parts = urlsplit(url)
    if parts.scheme == "http" and connection.host != parts.hostname:
        return url
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _detail(body: bytes) -> str:
    """Return what a refusal says, or nothing for what our endpoint did not write."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(said, dict):
        return ""
    words = (said.get(name) for name in ("reason", "state", "detail"))
    return ", ".join(word for word in words if isinstance(word, str))[:_DETAIL_CHARS]


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header or ""))
    except ValueError:
        return None
