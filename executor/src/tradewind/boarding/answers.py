"""Every answer of the endpoint, in one place. Pure.

| status | meaning | body |
|---|---|---|
| 200 | the launch, handed over | the workload |
| 204 | no launch within the hold; ask again | |
| 400 | no request of this protocol | reason |
| 401 | identity not accepted | reason |
| 409 | the launch is not this pod's any more | reason, state of the row |
| 410 | the pod is gone, or told to go | reason |
| 426 | protocol or template of another release | reason, protocol |
| 429 | asked too often, or too many wait | reason |
| 503 | the database or the API server does not answer | reason |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

from tradewind.boarding.claims import DenialReason
from tradewind.contract import PROTOCOL

_RETRY_RATE_S = 1
_RETRY_LOAD_S = 5
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body and what of the headers depends on the answer."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """From a small closed set, as metrics count it."""


def handed_over(workload: bytes) -> Answer:
    """200: the workload as JSON."""
    return Answer(status=HTTPStatus.OK, body=workload)


def nothing_yet(*, reason: str = "") -> Answer:
    """204: ask again; `replaced` when another request of the same pod came."""
    return Answer(status=HTTPStatus.NO_CONTENT, reason=reason)


def bad_request() -> Answer:
    """400: the body is no request of this protocol."""
    return _refusal(HTTPStatus.BAD_REQUEST, "bad_request")


def denied(reason: DenialReason) -> Answer:
    """401: nothing but the token was looked at."""
    challenge = {"WWW-Authenticate": 'Bearer realm="tradewind"'}
    return _refusal(HTTPStatus.UNAUTHORIZED, reason, headers=challenge)


def not_open(state: str | None) -> Answer:
    """409: somebody else's by now; `state` is the row's, None when there is no row."""
    return _refusal(HTTPStatus.CONFLICT, "not_open", state=state)


def leaving(reason: str) -> Answer:
    """410: `gone`, `draining` or `overdue`."""
    return _refusal(HTTPStatus.GONE, reason)


def upgrade(reason: str) -> Answer:
    """426: `protocol` or `template` differs."""
    return _refusal(HTTPStatus.UPGRADE_REQUIRED, reason, protocol=PROTOCOL)


def too_fast() -> Answer:
    """429: the pod asks too often."""
    return _busy(HTTPStatus.TOO_MANY_REQUESTS, "too_fast", after_s=_RETRY_RATE_S)


def too_many() -> Answer:
    """429: as many requests as we want are held already."""
    return _busy(HTTPStatus.TOO_MANY_REQUESTS, "too_many", after_s=_RETRY_LOAD_S)


def unavailable(reason: str) -> Answer:
    """503: `database` or `cluster` does not answer, or `starting`."""
    return _busy(HTTPStatus.SERVICE_UNAVAILABLE, reason, after_s=_RETRY_RATE_S)


def _busy(status: HTTPStatus, reason: str, *, after_s: int) -> Answer:
    return _refusal(status, reason, headers={"Retry-After": str(after_s)})


def _refusal(
    status: HTTPStatus, reason: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Answer:
    body = _encoder.encode({"reason": reason, **more})
    return Answer(status=status, body=body, headers=headers or {}, reason=reason)
