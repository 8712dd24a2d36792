"""Airflow's REST API as a witness: which task instances there are. Reads only. Loop thread only.

Whatever is not Airflow's own, well-formed answer is an `EvidenceError`: no page of a proxy, no
redirect, no 404 of another program can be taken for "no such task instance".
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from tradewind import __version__
from tradewind.client.files import FollowedFile
from tradewind.client.refusals import excerpt
from tradewind.errors import ConfigError, TradewindError
from tradewind.janitor.evidence import Row
from tradewind.pods.labels import TaskRef

_BATCH_PATH = "/api/v2/dags/~/dagRuns/~/taskInstances/list"
_TOKEN_PATH = "/auth/token"  # noqa: S105 - a path
_PAGE = 500
_MOST_PAGES = 20
"""A mapped task can have more instances than a question is worth."""
_MOST_BYTES = 16_000_000
_ROLE = "give its role can_read on DAGs, DAG Runs and Task Instances"


class EvidenceError(TradewindError):
    """Airflow did not answer, or something else did. Nothing may be deleted on it."""

    def __init__(self, sentence: str, *, kind: str, about_one: bool = False) -> None:
        super().__init__(sentence)
        self.kind = kind
        """`unreachable`, `failing`, `refused` or `unreadable`; a label of metrics."""
        self.about_one = about_one
        """Whether only the task asked about is concerned, and others may be asked on."""


class Witness(Protocol):
    """Whoever knows about task instances. Calls raise `EvidenceError`."""

    async def rows(self, asked: Sequence[TaskRef]) -> dict[TaskRef, Row]:
        """Return the rows of some tries as far as they are found; a missing one proves nothing.

        The keys are those that were asked, whatever the row's own try is.
        """
        ...

    async def row(self, task: TaskRef) -> Row | None:
        """Return the task's row, or None when Airflow says that there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How to sign in: name and password, or a token that somebody else keeps fresh."""

    username: str = ""
    password: FollowedFile | None = None
    token: FollowedFile | None = None


class _Instance(msgspec.Struct, frozen=True):
    id: str
    dag_id: str
    dag_run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None

    @property
    def place(self) -> tuple[str, str, str, int]:
        return self.dag_id, self.dag_run_id, self.task_id, self.map_index

    def as_row(self) -> Row:
        return Row(id=self.id, try_number=self.try_number, state=self.state)


class _Instances(msgspec.Struct, frozen=True):
    task_instances: list[_Instance]


class _Token(msgspec.Struct, frozen=True):
    access_token: str


class _Detail(msgspec.Struct, frozen=True):
    detail: str


_Decoded = TypeVar("_Decoded")


def place_of(task: TaskRef) -> tuple[str, str, str, int]:
    """Return what names a task instance in Airflow, whatever its try."""
    return task.dag_id, task.run_id, task.task_id, task.map_index


class AirflowApi:
    """`Witness` over HTTP. Opens its first connection at the first call."""

    def __init__(
        self,
        url: str,
        *,
        login: Login,
        timeout_s: float = 10.0,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._timeout_s = timeout_s
        self._tls = tls
        self._token = ""
        self._session: aiohttp.ClientSession | None = None

    async def rows(self, asked: Sequence[TaskRef]) -> dict[TaskRef, Row]:
        """Return the rows of some tries as far as they are found; a missing one proves nothing."""
        places = {place_of(task) for task in asked}
        found: dict[tuple[str, str, str, int], Row] = {}
        for page in range(_MOST_PAGES):
            body = {
                "dag_ids": sorted({task.dag_id for task in asked}),
                "dag_run_ids": sorted({task.run_id for task in asked}),
                "task_ids": sorted({task.task_id for task in asked}),
                "page_limit": _PAGE,
                "page_offset": page * _PAGE,
                "order_by": "id",
            }
            status, payload = await self._call("POST", _BATCH_PATH, body)
            if status != HTTPStatus.OK:
                raise _refusal(status, payload, what=self.url + _BATCH_PATH)
            told = _decode(payload, _Instances, self.url).task_instances
            found |= {instance.place: instance.as_row() for instance in told}
            if len(told) < _PAGE or places <= found.keys():
                break
        return {task: found[place_of(task)] for task in asked if place_of(task) in found}

    async def row(self, task: TaskRef) -> Row | None:
        """Return the task's row, or None when Airflow says that there is none."""
        dag, run, name = (quote(part, safe="") for part in (task.dag_id, task.run_id, task.task_id))
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{name}/{task.map_index}"
        status, payload = await self._call("GET", path)
        if status == HTTPStatus.NOT_FOUND:
            if _says_there_is_none(payload, task):
                return None
            raise EvidenceError(
                f"{self.url} does not know {path}: is it the address of Airflow's API server?",
                kind="unreadable",
                about_one=True,
            )
        if status != HTTPStatus.OK:
            raise _refusal(status, payload, what=f"DAG {task.dag_id!r}", about_one=True)
        instance = _decode(payload, _Instance, self.url)
        if instance.place != place_of(task):
            raise EvidenceError(
                f"{self.url} answered about another task than asked: {excerpt(payload)}",
                kind="unreadable",
                about_one=True,
            )
        return instance.as_row()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        """Return status and body; sign in anew, once, when the token is refused."""
        used = self._token or await self._sign_in()
        answer = await self._send(method, path, body, token=used)
        if answer[0] != HTTPStatus.UNAUTHORIZED:
            return answer
        self._token = ""
        fresh = await self._sign_in()
        return answer if fresh == used else await self._send(method, path, body, token=fresh)

    async def _sign_in(self) -> str:
        if self._login.token is not None:
            # Read at every call: whoever keeps it fresh does not tell us.
            return _content(self._login.token)
        password = _content(self._login.password) if self._login.password else ""
        body = {"username": self._login.username, "password": password}
        status, payload = await self._send("POST", _TOKEN_PATH, body)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST}:
            raise EvidenceError(
                f"{self.url} refuses the login of {self._login.username!r} ({status}): "
                "correct its password, or create the user",
                kind="refused",
            )
        if status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise _refusal(status, payload, what=self.url + _TOKEN_PATH)
        self._token = _decode(payload, _Token, self.url).access_token
        return self._token

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, *, token: str = ""
    ) -> tuple[int, bytes]:
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._opened().request(
                method,
                # Encoded here: a dot or a slash in an id must not lead to another path.
                URL(self.url + path, encoded=True),
                json=body,
                headers=headers,
                timeout=self._timeout,
                ssl=self._tls() if self._tls else True,
                # A login page is no evidence, however well it answers.
                allow_redirects=False,
            ) as answer:
                return answer.status, await _read(answer)
        except aiohttp.ClientConnectorCertificateError as error:
            raise EvidenceError(
                f"the certificate of {self.url} is not trusted ({error.certificate_error}): renew "
                "it, or name its CA in TRADEWIND_JANITOR_AIRFLOW_CA_FILE",
                kind="unreachable",
            ) from error
        except TimeoutError as error:
            raise EvidenceError(
                f"{self.url} did not answer within {self._timeout_s:.0f} s", kind="unreachable"
            ) from error
        except ConfigError as error:
            raise EvidenceError(str(error), kind="unreachable") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise EvidenceError(
                f"no answer from {self.url}: {type(error).__name__} {error}", kind="unreachable"
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"tradewind-janitor/{__version__}"},
                trust_env=False,
            )
        return self._session


def _content(file: FollowedFile) -> str:
    try:
        return file.read().decode().strip()
    except (ConfigError, UnicodeDecodeError) as error:
        raise EvidenceError(str(error), kind="refused") from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    payload = bytearray()
    async for chunk in answer.content.iter_any():
        payload += chunk
        if len(payload) > _MOST_BYTES:
            raise EvidenceError(
                f"{answer.url.host} answered with more than {_MOST_BYTES} bytes", kind="unreadable"
            )
    return bytes(payload)


def _decode(payload: bytes, kind: type[_Decoded], url: str) -> _Decoded:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EvidenceError(
            f"{url} did not answer as Airflow's API does: {_short(payload)}", kind="unreadable"
        ) from error


def _says_there_is_none(payload: bytes, task: TaskRef) -> bool:
    """Whether a 404 is Airflow's own word about this very task, and not about the path."""
    try:
        detail = msgspec.json.decode(payload, type=_Detail).detail
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    named = all(f"`{part}`" in detail for part in (task.dag_id, task.run_id, task.task_id))
    return named and "was not found" in detail


def _refusal(status: int, payload: bytes, *, what: str, about_one: bool = False) -> EvidenceError:
    """Return the error that an answer other than the wanted one means."""
    if status == HTTPStatus.FORBIDDEN:
        return EvidenceError(
            f"Airflow lets the janitor's user not read {what} (403): {_ROLE}",
            kind="refused",
            about_one=about_one,
        )
    if status == HTTPStatus.UNAUTHORIZED:
        return EvidenceError(
            f"Airflow refuses a fresh token for {what} (401): are the clocks in step?",
            kind="refused",
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return EvidenceError(f"Airflow fails on {what} ({status})", kind="failing")
    return EvidenceError(
        f"an odd answer about {what} ({status}): {_short(payload)}",
        kind="unreadable",
        about_one=about_one and status >= HTTPStatus.BAD_REQUEST,
    )


def _short(payload: bytes) -> str:
    return excerpt(payload).replace("no Status but ", "")
