"""A release whose pods board, what thieves get of it, and everything it left behind in words."""

import json
import time

import httpx
from dag_runs import until

from tradewind_tools import forward, kubectl
from tradewind_tools.cluster.layout import Layout
from tradewind_tools.paths import state_dir

TOKEN_FILE = "/var/run/secrets/tradewind/token"
IDLE = "tradewind/pool,!tradewind/launch-id"
WITHIN_S = 180
APART_S = 0.7
"""A pod that asks oftener than twice a second is told to come later."""


class Release:
    """One namespace of the cluster, asked by kubectl and at the endpoint."""

    def __init__(self, target, namespace, *, url):
        self.target = target
        self.namespace = namespace
        self._url = url

    def kubectl(self, *arguments, **more):
        return kubectl.run(self.target, "-n", self.namespace, *arguments, **more)

    def pods(self, selector=""):
        selected = ("-l", selector) if selector else ()
        return kubectl.items(self.target, "pods", "-n", self.namespace, *selected)

    def idle_pod(self):
        """Wait for a warm pod that runs and return its name."""

        def running():
            return [pod for pod in self.pods(IDLE) if has_running_container(pod)]

        found = until(running, what="no warm pod runs", timeout_s=WITHIN_S, every_s=0.5)
        return found[0]["metadata"]["name"]

    def stolen_token(self, pod):
        return self.kubectl("exec", pod, "-c", "base", "--", "cat", TOKEN_FILE).strip()

    def issued_token(self, account, *more):
        return self.kubectl("create", "token", account, *more).strip()

    def board(self, token=None, *, hold=0):
        """Return (status, reason) of a request with that token."""
        time.sleep(APART_S)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = {"protocol": 1, "template": "", "worker": "thief", "hold": hold}
        answer = httpx.post(
            f"{self._url()}/tradewind/v1/board",
            json=body,
            headers=headers,
            timeout=60,
            trust_env=False,
        )
        return answer.status_code, answer.json().get("reason") if answer.content else None

    def logs(self):
        """Return pod -> what all of its containers wrote; a pod that did not begin has no log."""
        names = [pod["metadata"]["name"] for pod in self.pods() if has_begun(pod)]
        return {name: self.kubectl("logs", name, "--all-containers") for name in names}


def has_running_container(pod):
    states = pod["status"].get("containerStatuses", [])
    return any("running" in one["state"] for one in states)


def has_begun(pod):
    states = [one["state"] for one in pod["status"].get("containerStatuses", [])]
    return bool(states) and not any("waiting" in state for state in states)


def forwarded(target, namespace):
    """Return a context manager with the release's API server on a port of this machine."""
    return forward.PortForward(
        target, service="tradewind-api-server", port=8080, namespace=namespace
    )


def audit_records(namespace):
    """Return the local cluster's audit records of a namespace, parsed, with their text."""
    log_file = Layout(state_dir()).audit_log
    assert log_file.is_file(), f"no {log_file}: the cluster runs without an audit log, `./task up`"
    mark = f'"namespace":"{namespace}"'
    # The API server renames a full file; both count.
    lines = (
        line
        for file in sorted(log_file.parent.glob("audit*.log"))
        for line in file.open(errors="replace")
        if mark in line
    )
    return [(json.loads(line), line) for line in lines]
