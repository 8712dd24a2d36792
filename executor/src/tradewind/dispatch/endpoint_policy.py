"""Whether it is our endpoint that answers where pods board: one table. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.client.endpoint import Answer

_UNAUTHORIZED = 401
_NOT_FOUND = frozenset({404, 405})
_OK = 200
_ERROR = 500
_HTML = "text/html"
_JSON = "application/json"

_LOAD_IT = (
    "install airflow-tradewind in the API server's image, serve its `core` app, and restart it"
)
_FIND_IT = "check [core] execution_api_server_url or [tradewind] boarding_url, and the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What an answer means."""

    answers: bool
    found: str
    """A sentence without its end."""
    remedy: str = ""
    is_down: bool = False
    """Nobody answers, or what answers is not ready; it may be back soon."""
    audience: str = ""
    """Which it asks of tokens; empty where it does not say."""
    skew_s: float | None = None
    """How far our clock is ahead of the endpoint's, where it told its time."""


def judge(answer: Answer, *, url: str) -> Standing:
    """Return what the answer to a question without a token means.

    Our endpoint refuses it as JSON and tells its time. Without the plugin Airflow's own pages
    answer under any path, which must not count.
    """
    if answer.server_time_s is not None and answer.content_type == _JSON:
        skew_s = answer.asked_s - answer.server_time_s
        missing = _missing(answer)
        if not missing:
            return Standing(
                answers=True,
                found=f"pods can board at {url}",
                audience=answer.health.audience if answer.health else "",
                skew_s=skew_s,
            )
        return Standing(
            answers=False,
            found=f"the endpoint at {url} is not ready: {missing}",
            remedy="wait, or read the API server's log",
            is_down=True,
            skew_s=skew_s,
        )
    found, remedy = _other(answer)
    return Standing(
        answers=False,
        found=f"no pod can board at {url}: {found}",
        remedy=remedy,
        is_down=answer.status == 0 or answer.status >= _ERROR,
    )


def _other(answer: Answer) -> tuple[str, str]:
    if answer.status == 0:
        return answer.text or "no answer", _FIND_IT
    if answer.content_type == _HTML and answer.status < _ERROR:
        return "a web page answers, so the API server did not load the plugin", _LOAD_IT
    if answer.status in _NOT_FOUND:
        return f"the API server does not know the path (status {answer.status})", _LOAD_IT
    if answer.status >= _ERROR:
        return _said(answer), "read the API server's log, and that of what stands in front of it"
    return f"something else answers: {_said(answer)}", _LOAD_IT


def _missing(answer: Answer) -> str:
    """Return what keeps our endpoint from handing workloads out, or ""."""
    if answer.status != _UNAUTHORIZED:
        return _said(answer)
    health = answer.health
    if health is None or health.is_ready:
        return ""
    return health.not_ready or "it says so itself"


def _said(answer: Answer) -> str:
    return f"status {answer.status} {answer.content_type}: {answer.text}".rstrip(": ")
