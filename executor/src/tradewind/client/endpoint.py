"""One question to the boarding endpoint: who answers at its address?

Asked without a token, so that nothing secret leaves. Only this package opens sockets.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from tradewind import contract

TIMEOUT_S = 5.0
_MOST_CHARS = 200
_QUESTION = {"protocol": contract.PROTOCOL}
_OK = 200
_JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What an API server says of its endpoint."""

    is_ready: bool
    not_ready: str = ""
    """What is missing, in its own sentences."""
    audience: str = ""
    """Which it asks of tokens; empty where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, or why nothing did."""

    status: int = 0
    """0 without an answer."""
    content_type: str = ""
    server_time_s: float | None = None
    """Seconds since the epoch by the endpoint's clock; only our plugin tells it."""
    asked_s: float = 0.0
    """Ours, halfway between question and answer."""
    text: str = ""
    """Beginning of the answer's body, or the error."""
    health: Health | None = None
    """None where only the endpoint's own address was asked, or nobody knew."""


async def ask(url: str, *, ca_file: str = "", timeout_s: float = TIMEOUT_S) -> Answer:
    """Return the answer to a request to board that names no pod. Never raises for the network.

    Args:
        url: the endpoint's complete address.
        ca_file: certificates to trust beside the system's, or "".
        timeout_s: after which the endpoint counts as silent.

    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        connector = aiohttp.TCPConnector(ssl=_trust(ca_file))
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, trust_env=True
        ) as session:
            answer = await _post(session, url)
            if answer.server_time_s is None or not url.endswith(contract.BOARD_PATH):
                return answer
            beside = url.removesuffix(contract.BOARD_PATH) + contract.HEALTH_PATH
            return replace(answer, health=await _health(session, beside))
    except TimeoutError:
        return Answer(text=f"no answer within {timeout_s:.0f} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(text=f"{type(error).__name__}: {error}")


async def _post(session: aiohttp.ClientSession, url: str) -> Answer:
    began_s = time.time()
    async with session.post(url, json=_QUESTION, allow_redirects=False) as answer:
        body = await answer.content.read(_MOST_CHARS)
        return Answer(
            status=answer.status,
            content_type=answer.content_type,
            server_time_s=_seconds(answer.headers.get(contract.SERVER_TIME)),
            asked_s=(began_s + time.time()) / 2,
            text=body.decode(errors="replace"),
        )


async def _health(session: aiohttp.ClientSession, url: str) -> Health | None:
    async with session.get(url, allow_redirects=False) as answer:
        said: Any = await answer.json() if answer.content_type == _JSON else None
        if not isinstance(said, Mapping):
            return None
        missing = said.get("not_ready")
        return Health(
            is_ready=answer.status == _OK and said.get("status") == "ready",
            not_ready="; ".join(map(str, missing)) if isinstance(missing, list) else "",
            audience=str(said.get("audience") or ""),
        )


def _trust(ca_file: str) -> ssl.SSLContext | bool:
    if not ca_file:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_file)
    return context


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
