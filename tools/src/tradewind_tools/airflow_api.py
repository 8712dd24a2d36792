"""Airflow's REST API, reached through `kubectl port-forward` on a port that the system picks.

Works on any cluster that kubectl reaches, whatever Service type or Ingress the release has.
"""

import base64
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from tradewind_tools import kubectl
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target

NAMESPACE = "tradewind"
RELEASE = "tradewind"
API_SERVICE = f"{RELEASE}-api-server"
ADMIN_SECRET = f"{RELEASE}-admin"
TIMEOUT_S = 120.0
"""Generous: on two busy cores an answer may take half a minute."""
PAGE = 100
FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


class Airflow:
    """A logged-in client. Methods raise WorkFailedError with Airflow's own words."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def request(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the decoded answer of an `/api/v2` call."""
        try:
            answer = self._http.request(method, f"/api/v2/{path}", **arguments)
        except httpx.TransportError as error:
            raise WorkFailedError(
                f"Airflow does not answer: {error!r}: see ./task status"
            ) from error
        if answer.is_success:
            return answer.json()
        raise WorkFailedError(
            f"Airflow refused {method} {path}: {answer.status_code} {_why(answer)}"
        )

    def dag_ids(self) -> list[str]:
        """Return the ids of all DAGs that parsed."""
        return [dag["dag_id"] for dag in self._pages("dags", "dags", exclude_stale="true")]

    def import_errors(self) -> list[str]:
        """Return the files of DAGs that did not parse."""
        found = self._pages("importErrors", "import_errors")
        return [error["filename"] for error in found]

    def trigger(self, dag_id: str, *, conf: dict[str, Any]) -> str:
        """Unpause a DAG and start a run; return its id."""
        path = f"dags/{quote(dag_id, safe='')}"
        self.request("PATCH", path, json={"is_paused": False})
        # With a logical date, as the UI does: templates with `ds` are undefined without one.
        body = {"logical_date": datetime.now(UTC).isoformat(), "conf": conf}
        run = self.request("POST", f"{path}/dagRuns", json=body)
        run_id: str = run["dag_run_id"]
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        state: str = self.request("GET", self._run_path(dag_id, run_id))["state"]
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all task instances of a run."""
        path = f"{self._run_path(dag_id, run_id)}/taskInstances"
        return list(self._pages(path, "task_instances"))

    def task_log(self, dag_id: str, run_id: str, task_id: str) -> Iterator[str]:
        """Yield the log lines of a task's last try, of every mapped instance."""
        mine = [item for item in self.task_instances(dag_id, run_id) if item["task_id"] == task_id]
        if not mine:
            raise ToolError(f"run {run_id!r} of {dag_id!r} has no task {task_id!r}")
        for item in mine:
            path = f"{self._run_path(dag_id, run_id)}/taskInstances/{quote(task_id, safe='')}"
            answer = self.request(
                "GET",
                f"{path}/logs/{max(item['try_number'], 1)}",
                params={"map_index": item["map_index"], "full_content": "true"},
                headers={"Accept": "application/json"},
            )
            for line in answer.get("content") or ():
                yield line if isinstance(line, str) else _log_line(line)

    def _run_path(self, dag_id: str, run_id: str) -> str:
        return f"dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"

    def _pages(self, path: str, field: str, **parameters: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = {"limit": PAGE, "offset": offset, **parameters}
            answer = self.request("GET", path, params=page)
            yield from answer[field]
            offset += PAGE
            if offset >= answer["total_entries"]:
                return


@contextmanager
def connect(target: Target, *, namespace: str = NAMESPACE) -> Iterator[Airflow]:
    """Forward a port, log in as the release's admin, close both at the end."""
    user, password = credentials(target, namespace=namespace)
    forward = kubectl.background(
        target, "-n", namespace, "port-forward", f"service/{API_SERVICE}", ":8080"
    )
    try:
        url = f"http://127.0.0.1:{_forwarded_port(forward)}"
        with httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False) as http:
            try:
                answer = http.post("/auth/token", json={"username": user, "password": password})
            except httpx.TransportError as error:
                raise WorkFailedError(f"Airflow does not answer: {error!r}") from error
            if not answer.is_success:
                raise WorkFailedError(f"Airflow refused the login of {user!r}: {_why(answer)}")
            http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            yield Airflow(http)
    finally:
        forward.terminate()
        forward.wait()


def credentials(target: Target, *, namespace: str = NAMESPACE) -> tuple[str, str]:
    """Return name and password of the first user, from the release's Secret."""
    arguments = ("secret", "-n", namespace, "--field-selector", f"metadata.name={ADMIN_SECRET}")
    found = kubectl.items(target, *arguments)
    if not found:
        raise ToolError(f"no release in namespace {namespace!r}: install one with ./task up")
    data = found[0]["data"]
    return _decode(data["username"]), _decode(data["password"])


def _decode(text: str) -> str:
    return base64.b64decode(text).decode()


def _forwarded_port(forward: "subprocess.Popen[str]") -> str:
    for line in forward.stdout or ():
        if match := FORWARDING.search(line):
            return match[1]
    raise WorkFailedError("the API server cannot be reached: see ./task status")


def _why(answer: httpx.Response) -> str:
    try:
        detail = answer.json().get("detail", "")
    except (ValueError, AttributeError):
        detail = answer.text
    return str(detail)[:256]


def _log_line(line: dict[str, Any]) -> str:
    rest = {key: value for key, value in line.items() if key not in {"timestamp", "event", "level"}}
    extra = " ".join(f"{key}={value}" for key, value in rest.items() if key != "logger")
    return f"{line.get('timestamp') or '':32} {line.get('level') or '':8} {line['event']} {extra}"
