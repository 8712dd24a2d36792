"""kopf's side: the watch that draws the picture, and one sweep task. No decisions here.

Only `on.event`: timers, daemons and delete handlers would put finalizers on pods, and handlers of
changes would write annotations. Without them kopf never writes to a pod.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import kopf

from tradewind.client.auth import Credentials
from tradewind.janitor import connect
from tradewind.janitor.app import Janitor
from tradewind.janitor.picture import Picture
from tradewind.janitor.settings import Settings

_SESSION_FOR = timedelta(hours=1)
"""Then kopf asks for another one, so that a renewed CA is loaded."""
_IDLE_S = 0.1
"""How long kopf keeps a task for a pod without news; ten thousand of them would be megabytes."""
_PAGE = 500


def registry_of(janitor: Janitor) -> kopf.OperatorRegistry:
    """Return kopf's handlers for one janitor."""
    registry = kopf.OperatorRegistry()
    picture = Picture()
    tasks: set[asyncio.Task[None]] = set()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await signed_session(connect.credentials(janitor.settings))

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def noted(event: kopf.RawEvent, **_: Any) -> None:
        janitor.heard(event["type"])
        picture.take(event)

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        await janitor.open()
        tasks.add(asyncio.create_task(janitor.run(picture.views), name="sweeps"))

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await janitor.close()

    return registry


def settings_for(settings: Settings) -> kopf.OperatorSettings:
    """Return how kopf watches: selected pods only, in pages, nothing else of the cluster."""
    told = kopf.OperatorSettings()
    told.watching.label_selectors["", "v1", "pods"] = settings.selector
    told.watching.chunk_size = _PAGE
    told.queueing.idle_timeout = _IDLE_S
    told.posting.enabled = False
    told.scanning.disabled = True
    told.peering.standalone = True
    told.networking.request_timeout = settings.request_timeout_s
    return told


async def serve(settings: Settings, *, stop: asyncio.Event | None = None) -> None:
    """Run the janitor until `stop` or a signal.

    Raises:
        ConfigError: the credentials cannot be used.

    """
    janitor = Janitor(settings)
    await kopf.operator(
        registry=registry_of(janitor),
        settings=settings_for(settings),
        namespaces=settings.watched,
        standalone=True,
        stop_flag=stop,
    )


async def signed_session(credentials: Credentials) -> kopf.AiohttpSession:
    """Return a session that signs every request with the proof of its moment."""
    proof = await credentials.prover.proof()

    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        authorization = (await credentials.prover.proof()).authorization
        if authorization:
            request.headers["Authorization"] = authorization
        return await handler(request)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=proof.ssl_context or True),
        proxy=credentials.proxy or None,
        middlewares=(sign,),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return kopf.AiohttpSession(
        aiohttp_session=session,
        server=credentials.server,
        expiration=datetime.now(UTC) + _SESSION_FOR,
    )
