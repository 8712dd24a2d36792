"""What a worker talks to, on loopback: the boarding endpoint and the Execution API.

Answers of the endpoint are a script, one for each request; the last one is repeated. The Execution
API takes what it is told and remembers it, as far as a task without XComs needs.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tradewind import contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    """How long the request is held."""
    drops: bool = False
    """The connection ends instead of an answer."""


def endpoint_says(status: int, body: Any = None, **more: Any) -> Said:
    """Return an answer as our endpoint gives it; `body` becomes JSON unless it is None."""
    said = b"" if body is None else json.dumps(body).encode()
    return Said(status=status, body=said, headers={contract.SERVER_TIME: repr(time.time())}, **more)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that came."""

    method: str
    path: str
    token: str
    """Of the Authorization header, without `Bearer `."""
    body: Any
    """JSON, or None."""
    at_s: float
    """Seconds since the epoch."""
    port: int
    """Of the client: the same port is the same connection."""


class FakeAirflow:
    """An Airflow API server on 127.0.0.1. Every method may be called from any thread."""

    def __init__(self, *, certificate: str = "", key: str = "") -> None:
        self.requests: list[Request] = []
        self.boarding: deque[Said] = deque([endpoint_says(204)])
        """Answers of the boarding endpoint."""
        self.run: deque[Said] = deque([Said(body=json.dumps(run_context()).encode())])
        """Answers to the worker's wish to start the task."""
        self.answers: dict[str, Said] = {}
        """Answers to other requests by the end of their path; without one it is a success."""
        self._tls = (certificate, key) if certificate else None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True

    @contextmanager
    def started(self) -> Iterator[FakeAirflow]:
        """Serve while the context lasts."""
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self._tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    @property
    def url(self) -> str:
        """Of the server, without a path."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://localhost:{self._server.server_port}"

    @property
    def board_url(self) -> str:
        """Return what `contract.ENV_URL` holds."""
        return self.url + contract.URL_PREFIX + contract.BOARD_PATH

    @property
    def execution_url(self) -> str:
        """Return what `[core] execution_api_server_url` holds."""
        return self.url + "/execution/"

    def of(self, method: str, suffix: str) -> list[Request]:
        """Return the requests of that method whose path ends so, oldest first."""
        return [one for one in self.requests if one.method == method and one.path.endswith(suffix)]

    def answer(self, request: Request) -> Said:
        """Return what the server says, and remember the request."""
        self.requests.append(request)
        if request.path == contract.URL_PREFIX + contract.BOARD_PATH:
            return _next(self.boarding)
        if request.path.endswith("/run"):
            return _next(self.run)
        prepared = (said for end, said in self.answers.items() if request.path.endswith(end))
        return next(prepared, Said(body=json.dumps({"ok": True}).encode()))


def _next(script: deque[Said]) -> Said:
    return script.popleft() if len(script) > 1 else script[0]


def _handler_of(airflow: FakeAirflow) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # One write for head and body: two would wait for the client's delayed ACK.

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

        def answer(self) -> None:
            """Answer as the script says."""
            said = airflow.answer(self._request())
            time.sleep(said.after_s)
            if said.drops:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.body:
                self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)
            self.wfile.flush()

        def _request(self) -> Request:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return Request(
                method=self.command,
                path=self.path.partition("?")[0],
                token=(self.headers.get("Authorization") or "").removeprefix("Bearer "),
                body=json.loads(raw) if raw else None,
                at_s=time.time(),
                port=self.client_address[1],
            )

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler


def run_context() -> dict[str, Any]:
    """Return what the Execution API tells a task that it lets start."""
    moment = "2026-01-01T00:00:00Z"
    return {
        "dag_run": {
            "dag_id": "tiny",
            "run_id": "manual__1",
            "logical_date": moment,
            "data_interval_start": moment,
            "data_interval_end": moment,
            "run_after": moment,
            "start_date": moment,
            "end_date": None,
            "clear_number": 0,
            "run_type": "manual",
            "state": "running",
            "conf": {},
            "consumed_asset_events": [],
            "partition_key": None,
        },
        "max_tries": 0,
        "should_retry": False,
        "task_reschedule_count": 0,
    }
