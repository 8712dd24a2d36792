"""What `helm test` asks of a release, without importing Airflow.

    release_test.py --server http://release-api-server:8080 --execution-api http://…/execution/

    TRADEWIND_ADMIN_USERNAME, TRADEWIND_ADMIN_PASSWORD   unset: nothing that needs a login is asked

An API server with a wrong signing key is Ready and answers every call with 403: only a call with a
token shows it. `/monitor/health` is always 200: its body has to be read.
"""

# ruff: noqa: INP001, T201, S310  a script of the image; its output is its log; addresses are ours

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 15
HEARTBEATS = ("metadatabase", "scheduler", "dag_processor")


class TestFailed(Exception):  # noqa: N818 - what it says, not an error of this script
    """A claim about the release does not hold. The text is a sentence with the remedy."""


def call(url: str, *, body: Any = None, token: str = "") -> Any:
    """Return the JSON of an answer. Raises TestFailed."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read(200).decode(errors="replace")
        raise TestFailed(f"{url} answered {error.code}: {said}") from None
    except (OSError, ValueError) as error:
        raise TestFailed(f"{url} gave no answer: {error}") from None


def check_health(server: str) -> None:
    """Every component that must beat does."""
    found = call(f"{server}/api/v2/monitor/health")
    ill = [part for part in HEARTBEATS if (found.get(part) or {}).get("status") != "healthy"]
    if ill:
        raise TestFailed(f"not healthy: {', '.join(ill)}: look at the logs of these components")


def check_execution_api(url: str) -> None:
    """Tasks find the API that they talk to."""
    call(f"{url.rstrip('/')}/health")


def check_login(server: str, *, username: str, password: str) -> None:
    """A token that the server signs is one that it trusts."""
    answer = call(f"{server}/auth/token", body={"username": username, "password": password})
    call(f"{server}/api/v2/dags?limit=1", token=answer["access_token"])


def main() -> int:
    """Ask everything; return 1 at the first claim that does not hold."""
    parser = argparse.ArgumentParser(description="Test a release.")
    parser.add_argument("--server", required=True)
    parser.add_argument("--execution-api", required=True)
    options = parser.parse_args()
    username = os.environ.get("TRADEWIND_ADMIN_USERNAME", "")
    try:
        check_health(options.server)
        print("every component beats", flush=True)
        check_execution_api(options.execution_api)
        print("the execution API answers", flush=True)
        if username:
            password = os.environ["TRADEWIND_ADMIN_PASSWORD"]
            check_login(options.server, username=username, password=password)
            print("a token of the first user is trusted", flush=True)
    except TestFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
