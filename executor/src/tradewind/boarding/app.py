"""The HTTP side of the endpoint: a FastAPI app that Airflow's API server mounts.

`from __future__ import annotations` must stay away: FastAPI reads the annotations of handlers, and
as text it takes `Request` for a query parameter.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from tradewind.boarding import answers
from tradewind.boarding.answers import Answer
from tradewind.boarding.endpoint import BoardRequest
from tradewind.boarding.service import Service
from tradewind.contract import BOARD_PATH, HEALTH_PATH, PROTOCOL, SERVER_TIME, URL_PREFIX

log = logging.getLogger(__name__)

_WHOLE_PATH = f"{URL_PREFIX}{BOARD_PATH}"
_MOST_BODY_BYTES = 4_096
_AUTHORIZATION = b"authorization"
_JSON = "application/json"

_STATUSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.OK: {"description": "The workload, with a token minted now"},
    HTTPStatus.NO_CONTENT: {"description": "No launch within the hold: ask again"},
    HTTPStatus.BAD_REQUEST: {"description": "No request of this protocol"},
    HTTPStatus.UNAUTHORIZED: {"description": "Identity not accepted"},
    HTTPStatus.CONFLICT: {"description": "The launch is not this pod's any more"},
    HTTPStatus.GONE: {"description": "The pod is gone, or told to go"},
    HTTPStatus.UPGRADE_REQUIRED: {"description": "Protocol or template of another release"},
    HTTPStatus.TOO_MANY_REQUESTS: {"description": "Asked too often, or too many wait"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"description": "Database or cluster do not answer"},
}
_SCHEMA = msgspec.json.schema_components([BoardRequest])[1][BoardRequest.__name__]
_BODY = {"content": {_JSON: {"schema": _SCHEMA}}, "required": True}
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "Token of the pod's ServiceAccount, projected for this audience",
}


class _App(FastAPI):
    """FastAPI, with a short way for the one request that waiting pods repeat for ever.

    Its route is declared like any other, for the schema; but a fifth of what an idle pod costs
    would go into FastAPI's dependencies, exit stacks and handlers, of which it uses none.
    """

    board: Callable[[Request], Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_board = scope.get("method") == "POST" and scope["path"].endswith(_WHOLE_PATH)
        if not is_board:
            await super().__call__(scope, receive, send)
            return
        response = await self.board(Request(scope, receive))
        await response(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return FastAPI's description, with how a pod identifies itself."""
        described = super().openapi()
        described.setdefault("components", {})["securitySchemes"] = {"bearer": _BEARER}
        return described


def create_app(service: Service, *, version: str, audience: str = "") -> FastAPI:
    """Return the app; entering its lifespan starts the service and cannot fail.

    `audience` is told to whoever asks how the service is; pods must present tokens for it.
    """
    app = _App(
        title="Tradewind boarding",
        description="Hands a task pod the workload that it was launched or claimed for.",
        version=version,
        docs_url=None,
        redoc_url=None,
        lifespan=lambda _: _running(service),
    )

    @app.post(
        BOARD_PATH,
        summary="Ask for this pod's workload",
        responses=_STATUSES,
        openapi_extra={"requestBody": _BODY, "security": [{"bearer": []}]},
    )
    async def board(request: Request) -> Response:
        return await _board(service, request)

    app.board = board

    @app.get(HEALTH_PATH, summary="Say whether pods get their workloads from this process")
    async def health() -> Response:
        found = service.health()
        status = 503 if found.status == "starting" else 200
        known = {"version": version, "protocol": PROTOCOL, "audience": audience}
        body = known | msgspec.to_builtins(found)
        return Response(msgspec.json.encode(body), status_code=status, media_type=_JSON)

    return app


@contextlib.asynccontextmanager
async def _running(service: Service) -> AsyncIterator[None]:
    running = asyncio.create_task(service.run(), name="tradewind-boarding")
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await running


async def _board(service: Service, request: Request) -> Response:
    try:
        answer = await service.board(_authorization(request), lambda: _body(request))
    except Exception:
        # Its text may quote nothing of the request: only where it happened is logged.
        log.exception("a pod's request for its workload failed")
        answer = answers.unavailable("error")
    return _response(answer)


def _authorization(request: Request) -> str | None:
    """Return the first Authorization header: a middleware of Airflow may have added another."""
    for name, value in request.scope["headers"]:
        if name == _AUTHORIZATION:
            return bytes(value).decode("latin-1")
    return None


async def _body(request: Request) -> bytes:
    """Return the body, or nothing where there is more of it than a request of ours can have."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY_BYTES:
            return b""
    return body


def _response(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store", SERVER_TIME: f"{time.time():.3f}", **answer.headers}
    media_type = _JSON if answer.body else None
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)
