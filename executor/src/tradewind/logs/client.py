"""HTTP to Loki: a push, a question. Blocking; one thread at a time."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from tradewind.errors import TradewindError
from tradewind.logs import batch
from tradewind.logs.push_policy import Answer
from tradewind.logs.settings import LokiSettings

PUSH_PATH = "/loki/api/v1/push"
QUERY_PATH = "/loki/api/v1/query_range"
COUNT_PATH = "/loki/api/v1/query"
CONNECT_S, PUSH_S, QUERY_S = 3.0, 10.0, 30.0

_UNAUTHORIZED = 401
_OK = 200
_SHOWN = 300


class LokiError(TradewindError):
    """Loki did not answer a question, or not with lines."""

    def __init__(self, sentence: str, *, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class LokiClient:
    """One Loki, with credentials that are read again when they are refused."""

    def __init__(
        self, settings: LokiSettings, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._client: httpx.Client | None = None

    def push(self, body: bytes) -> Answer:
        """Send a body of `batch`; whatever happens is an answer."""
        try:
            answer = self._connected().post(PUSH_PATH, content=body, headers=batch.HEADERS)
        except (httpx.HTTPError, OSError, ValueError) as error:
            self.close()
            return Answer(status=0, text=_told(error))
        if answer.status_code == _UNAUTHORIZED:
            self.close()
        return Answer(
            status=answer.status_code,
            text=answer.text[: 4 * _SHOWN],
            retry_after_s=_seconds(answer.headers.get("Retry-After")),
        )

    def query(self, parameters: dict[str, str], *, path: str = QUERY_PATH) -> bytes:
        """Return the JSON of a query; raises LokiError, with a sentence for people."""
        url = self._settings.url
        # Compressing was a sixth of the work that Loki had with a page.
        headers = {"Accept-Encoding": "identity"}
        try:
            answer = self._connected().get(
                path, params=parameters, headers=headers, timeout=_timeout(QUERY_S)
            )
        except (httpx.HTTPError, OSError, ValueError) as error:
            self.close()
            raise LokiError(f"Loki at {url} does not answer: {_told(error)}") from error
        if answer.status_code != _OK:
            text = " ".join(answer.text[:_SHOWN].split())
            raise LokiError(
                f"Loki at {url} answered {answer.status_code}: {text}", status=answer.status_code
            )
        return answer.content

    def close(self) -> None:
        """Close connections; the next call opens new ones."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> httpx.Client:
        if self._client is None:
            settings = self._settings
            auth = None
            if settings.username:
                password = Path(settings.password_file).read_text(encoding="utf-8").strip()
                auth = httpx.BasicAuth(settings.username, password)
            self._client = httpx.Client(
                base_url=settings.url,
                auth=auth,
                headers={"X-Scope-OrgID": settings.tenant} if settings.tenant else {},
                timeout=_timeout(PUSH_S),
                transport=self._transport,
                verify=ssl.create_default_context(cafile=settings.ca_file)
                if settings.ca_file
                else settings.url.startswith("https://"),
            )
        return self._client


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_S)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _seconds(text: str | None) -> float | None:
    """Return Retry-After where it is a number; Loki sends no dates."""
    return float(text) if text is not None and text.isdecimal() else None
