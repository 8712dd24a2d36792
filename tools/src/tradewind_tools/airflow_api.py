"""Airflow's REST API as the release's first user, reached through a forwarded port.

Works on any cluster that kubectl reaches, whatever Service type or Ingress the release has. Tokens
are renewed when Airflow no longer takes them, and reads are repeated while it restarts.
"""

import base64
import difflib
import email.utils
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from tradewind_tools import console, forward, kubectl
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target

RELEASE = "tradewind"
API_SERVICE = f"{RELEASE}-api-server"
API_PORT = 8080
ADMIN_SECRET = f"{RELEASE}-admin"

PAGE = 100
"""Airflow's own limit of one answer."""
ANSWER_TIMEOUT_S = 120.0
"""Generous: on two busy cores an answer may take half a minute."""
REPEAT_TIMEOUT_S = 60.0
"""How long an API server may be away, or answer 5xx, before a request has failed."""
REPEAT_INTERVAL_S = 1.0
PARSE_TIMEOUT_S = 180.0
"""Until a fresh release has parsed its DAGs, at most."""
QUIET_S = 45.0
"""Parsing has settled when no DAG came new for so long: every file had its turn."""
SHOWN_CHARS = 256
"""Of an error answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user of Airflow."""

    username: str
    password: str = field(repr=False)


class Airflow:
    """A client for one thread. Methods raise WorkFailedError with Airflow's own words.

    `url` tells where the API is now; it is asked before every request.
    """

    def __init__(self, url: Callable[[], str], *, user: Credentials, http: httpx.Client) -> None:
        self._url = url
        self._user = user
        self._http = http
        self._token = ""

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, **parameters: Any) -> Any:
        """Return the decoded answer to GET /api/v2/`path`."""
        return self._decoded("GET", path, headers=headers, params=parameters)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the decoded answer to POST /api/v2/`path`; repeated if an answer was lost."""
        return self._decoded("POST", path, json=body)

    def dags(self) -> list[dict[str, Any]]:
        """Return all DAGs that parsed."""
        return list(self._pages("dags", key="dags"))

    def dag_ids(self) -> list[str]:
        """Return the ids of all DAGs that parsed."""
        return [dag["dag_id"] for dag in self.dags()]

    def trigger(self, dag_id: str, *, conf: dict[str, Any], run_id: str = "") -> str:
        """Unpause a DAG and start a run of now; return the run's id.

        Repeated after an answer was lost, it is still one run.
        """
        self._decoded("PATCH", _dag(dag_id), json={"is_paused": False})
        chosen = run_id or new_run_id()
        # As the UI does: without a logical date templates such as {{ ds }} do not render.
        now = datetime.now(UTC).isoformat()
        body = {"dag_run_id": chosen, "logical_date": now, "conf": conf}
        answer = self._request("POST", f"{_dag(dag_id)}/dagRuns", json=body)
        if answer.status_code == HTTPStatus.CONFLICT and not run_id:
            return chosen  # The id is random, so the run with this id is ours.
        self._check(answer)
        return chosen

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run."""
        found: dict[str, Any] = self.get(_run(dag_id, run_id))
        return found

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        state: str = self.run(dag_id, run_id)["state"]
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the last try of every task instance of a run."""
        path = f"{_run(dag_id, run_id)}/taskInstances"
        return list(self._pages(path, key="task_instances"))

    def tries(self, instance: dict[str, Any]) -> list[dict[str, Any]]:
        """Return all tries of a task instance, the last one included, oldest first."""
        path = f"{_run(instance['dag_id'], instance['dag_run_id'])}/taskInstances"
        index = f"/{instance['map_index']}" if instance["map_index"] >= 0 else ""
        answer = self.get(f"{path}/{_part(instance['task_id'])}{index}/tries")
        return sorted(answer["task_instances"], key=lambda item: item["try_number"])

    def log(
        self, dag_id: str, run_id: str, task_id: str, *, map_index: int, try_number: int
    ) -> Iterator[str]:
        """Yield the lines of one try's log, as far as it is written."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{_part(task_id)}/logs/{try_number}"
        answer = self.get(path, map_index=map_index, full_content="true")
        for line in answer.get("content") or ():
            yield line if isinstance(line, str) else log_line(line)

    def find_dag(self, dag_id: str, *, timeout_s: float = PARSE_TIMEOUT_S) -> dict[str, Any]:
        """Return the DAG, waiting while a fresh release still parses its first files.

        Raises ToolError with ids like it when there is no such DAG.
        """
        found = self._find(dag_id)
        if found is None and not self._has_settled():
            found = self._wait_for_dag(dag_id, timeout_s=timeout_s)
        if found is not None:
            return found
        known = self.dag_ids()
        broken = [error["filename"] for error in self._pages("importErrors", key="import_errors")]
        raise ToolError(unknown_dag(dag_id, known=known, broken=broken))

    def _wait_for_dag(self, dag_id: str, *, timeout_s: float) -> dict[str, Any] | None:
        deadline_s = time.monotonic() + timeout_s
        found = None
        with console.step(f"waiting for Airflow to parse {dag_id}") as step:
            while found is None and time.monotonic() < deadline_s and not self._has_settled():
                time.sleep(REPEAT_INTERVAL_S)
                step.note(f"{len(self.dags())} DAGs so far")
                found = self._find(dag_id)
            step.result = "" if found else "not among them"
        return found

    def _find(self, dag_id: str) -> dict[str, Any] | None:
        answer = self._request("GET", _dag(dag_id))
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        self._check(answer)
        found: dict[str, Any] = answer.json()
        return found

    def _has_settled(self) -> bool:
        """Tell whether the newest DAG is old, by Airflow's own clock."""
        # Every version, as there is no way to sort them by age.
        versions = list(self._pages("dags/~/dagVersions", key="dag_versions"))
        now = email.utils.parsedate_to_datetime(self._request("GET", "version").headers["date"])
        ages = [now - datetime.fromisoformat(version["created_at"]) for version in versions]
        return bool(ages) and min(ages).total_seconds() > QUIET_S

    def _pages(self, path: str, *, key: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            answer = self.get(path, limit=PAGE, offset=offset)
            yield from answer[key]
            # Not PAGE: a server with a smaller limit sends less.
            offset += len(answer[key])
            if not answer[key] or offset >= answer["total_entries"]:
                return

    def _decoded(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._request(method, path, **arguments)
        self._check(answer)
        return answer.json()

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        request = answer.request
        raise WorkFailedError(
            f"Airflow refused {request.method} {request.url.path}: "
            f"{answer.status_code} {reason(answer)}"
        )

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> httpx.Response:
        """Send a request until it is answered; log in first, and again when the token is old."""
        deadline_s = time.monotonic() + REPEAT_TIMEOUT_S
        renewed = False
        while True:
            try:
                if not self._token:
                    self._log_in()
                usual = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
                url = f"{self._url()}/api/v2/{path}"
                sent = usual | dict(headers or {})
                answer = self._http.request(method, url, headers=sent, **arguments)
            except httpx.TransportError as error:
                problem = f"{error!r}"
            else:
                if token_is_refused(answer) and not renewed:
                    self._token, renewed = "", True
                    continue
                if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return answer
                problem = f"{answer.status_code} {reason(answer)}"
            if time.monotonic() > deadline_s:
                raise WorkFailedError(f"Airflow does not answer, see `./task status`: {problem}")
            time.sleep(REPEAT_INTERVAL_S)

    def _log_in(self) -> None:
        body = {"username": self._user.username, "password": self._user.password}
        answer = self._http.post(f"{self._url()}/auth/token", json=body)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise httpx.ReadError(f"log in: {answer.status_code} {reason(answer)}")
        if not answer.is_success:
            raise WorkFailedError(
                f"Airflow refused the login of {self._user.username!r}: {reason(answer)}; if its "
                f"password was changed in Airflow, put the new one into Secret {ADMIN_SECRET!r}"
            )
        self._token = answer.json()["access_token"]


@contextmanager
def connect(
    target: Target, *, namespace: str = "", secret: str = ADMIN_SECRET
) -> Iterator[Airflow]:
    """Give a client for the release on a target; the forwarded port is closed at the end.

    `namespace` is that of another release than the target's own, `secret` holds its first user.
    """
    namespace = namespace or target.namespace
    user = credentials(target, namespace=namespace, secret=secret)
    with (
        forward.PortForward(
            target, service=API_SERVICE, port=API_PORT, namespace=namespace
        ) as port,
        # Proxy variables are for the outside world.
        httpx.Client(timeout=ANSWER_TIMEOUT_S, trust_env=False) as http,
    ):
        yield Airflow(port.url, user=user, http=http)


def credentials(target: Target, *, namespace: str, secret: str = ADMIN_SECRET) -> Credentials:
    """Return the first user, from the release's Secret; raises ToolError without a release."""
    text = kubectl.run(
        target,
        *("get", "secret", secret, f"--namespace={namespace}"),
        *("-o", "json", "--ignore-not-found"),
    )
    if not text.strip():
        raise ToolError(
            f"no Secret {secret!r} in namespace {namespace!r} of context "
            f"{target.context!r}: install the release with `./task up`"
        )
    data = {
        key: base64.b64decode(value).decode() for key, value in json.loads(text)["data"].items()
    }
    return Credentials(username=data["username"], password=data["password"])


def new_run_id() -> str:
    """Return an id for a run that tells when it was started, and that nobody else chooses."""
    return f"manual__{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}_{secrets.token_hex(3)}"


def token_is_refused(answer: httpx.Response) -> bool:
    """Tell whether a new login could help: a signing key changed, or the token ran out."""
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return True
    return answer.status_code == HTTPStatus.FORBIDDEN and reason(answer) == "Invalid JWT token"


def unknown_dag(dag_id: str, *, known: Sequence[str], broken: Sequence[str] = ()) -> str:
    """Return the sentence for a DAG that does not exist."""
    close = difflib.get_close_matches(dag_id, known, n=3, cutoff=0.6)
    close += [name for name in known if dag_id.lower() in name.lower() and name not in close][:3]
    hint = f"did you mean {' or '.join(close)}?" if close else "the UI lists them"
    files = f" Files that do not parse: {', '.join(broken)}." if broken else ""
    return f"no DAG {dag_id!r} among {len(known)}: {hint}{files}"


def reason(answer: httpx.Response) -> str:
    """Return why a request failed, in Airflow's words, shortened."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text
    if isinstance(detail, dict):
        detail = detail.get("reason") or detail
    return str(detail)[:SHOWN_CHARS]


def log_line(event: dict[str, Any]) -> str:
    """Return a structured log event as one line: time, level, message, the rest as key=value."""
    shown = {"timestamp", "level", "event", "logger", "filename", "lineno", "sources"}
    rest = [f"{key}={value}" for key, value in event.items() if key not in shown]
    head = [part for part in (event.get("timestamp"), event.get("level")) if part]
    return " ".join([*head, str(event["event"]), *rest])


def _part(text: str) -> str:
    return quote(text, safe="")


def _dag(dag_id: str) -> str:
    return f"dags/{_part(dag_id)}"


def _run(dag_id: str, run_id: str) -> str:
    return f"{_dag(dag_id)}/dagRuns/{_part(run_id)}"
