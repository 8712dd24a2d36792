"""One question to the boarding endpoint: who answers at its address?

Asked without a token, so that nothing secret leaves. Only this package opens sockets.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass

import aiohttp

from tradewind import contract

TIMEOUT_S = 5.0
_MOST_CHARS = 200
_QUESTION = {"protocol": contract.PROTOCOL}


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


async def ask(url: str, *, ca_file: str = "", timeout_s: float = TIMEOUT_S) -> Answer:
    """Return the answer to a request to board that names no pod. Never raises for the network.

    Args:
        url: the endpoint's complete address.
        ca_file: certificates to trust beside the system's, or "".
        timeout_s: after which the endpoint counts as silent.

    """
    began_s = time.time()
    try:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.post(url, json=_QUESTION, ssl=_trust(ca_file), allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_MOST_CHARS)
            return Answer(
                status=answer.status,
                content_type=answer.content_type,
                server_time_s=_seconds(answer.headers.get(contract.SERVER_TIME)),
                asked_s=(began_s + time.time()) / 2,
                text=body.decode(errors="replace"),
            )
    except TimeoutError:
        return Answer(text=f"no answer within {timeout_s:.0f} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Answer(text=f"{type(error).__name__}: {error}")


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
