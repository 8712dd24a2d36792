"""A way past Airflow's middlewares for the one request that idle pods repeat for ever.

They and the routing of its app cost most of what such a request costs, and do nothing for it: the
endpoint reads no cookie, proves identities itself, and is left out of the access log.
"""

from __future__ import annotations

import logging
from collections.abc import Set as AbstractSet

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

_KNOWN = frozenset({"airflow", "fastapi", "starlette"})
"""Packages whose middlewares have no business with the endpoint."""


class Shortcut:
    """Stands in front of all middlewares and takes the requests of waiting pods out."""

    def __init__(self, app: ASGIApp, *, paths: AbstractSet[str], otherwise: ASGIApp) -> None:
        self._app = app
        self._paths = paths
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        is_ours = scope["type"] == "http" and scope["path"] in self._paths
        if is_ours and scope["method"] == "POST":
            await self._app(scope, receive, send)
        else:
            await self._otherwise(scope, receive, send)


def install(root: FastAPI, app: ASGIApp, *, paths: AbstractSet[str]) -> bool:
    """Lead POST requests for `paths` straight to `app`; return whether they are.

    They are not where a middleware of somebody else stands in front of Airflow: it may be there to
    keep requests out. Call it once the app runs, for its middlewares are put together then.
    """
    foreign = sorted(
        name
        for middleware in root.user_middleware
        if (name := getattr(middleware.cls, "__module__", "")).partition(".")[0] not in _KNOWN
    )
    if foreign:
        log.info("waiting pods' requests pass every middleware, because of %s", ", ".join(foreign))
    if foreign or root.middleware_stack is None:
        return False
    root.middleware_stack = Shortcut(app, paths=paths, otherwise=root.middleware_stack)
    return True
