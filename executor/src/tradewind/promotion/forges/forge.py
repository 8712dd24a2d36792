"""What a forge has to do for us, and the HTTP that all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import httpx

from tradewind.promotion.findings import ConflictError, UnreachableError, UnusableError

TIMEOUT_S = 30.0
SAID_CHARS = 300


class Forge(Protocol):
    """Pull requests of one repository."""

    def require(self) -> None:
        """Return when the token may read the repository.

        Raises:
            UnusableError: the token is not accepted, or the repository is not there for it.
            UnreachableError: the forge does not answer.

        """

    def open(self, *, branch: str, base: str, title: str, body: str) -> str:
        """Return the address of the branch's open pull request, made now or brought up to date.

        Raises:
            ConflictError: the forge refuses it; with its words.
            UnreachableError: the forge does not answer.

        """


class Api:
    """JSON over HTTP to a forge's API, its failures as sentences."""

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        name: str,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.name = name
        self._client = httpx.Client(
            base_url=base, headers=dict(headers), timeout=TIMEOUT_S, transport=transport
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the answer's JSON; raises as Forge says."""
        try:
            answer = self._client.request(method, path, json=json, params=query)
        except httpx.TransportError as error:
            raise UnreachableError(
                f"{self.name} does not answer ({type(error).__name__}): run it again, or open the "
                "pull request by hand with --print"
            ) from error
        if not answer.is_success:
            raise self._error(answer)
        try:
            return answer.json()
        except ValueError as error:
            raise UnreachableError(
                f"{self.name} answers {path} with something else than JSON: is its address right?"
            ) from error

    def _error(self, answer: httpx.Response) -> Exception:
        said = " ".join(answer.text.split())[:SAID_CHARS]
        code = answer.status_code
        if code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND}:
            return UnusableError(
                f"{self.name} answers {code} ({said}): the token needs to read the repository and "
                "to write pull requests; or use --print"
            )
        if code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            return UnreachableError(f"{self.name} answers {code} ({said}): run it again later")
        return ConflictError(f"{self.name} refuses the pull request ({code}): {said}")
