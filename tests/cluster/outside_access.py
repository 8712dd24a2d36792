"""A namespace for tasks, and an identity that may do there what docs/install.md gives it."""

import base64
import json
import secrets
import time
from contextlib import contextmanager

import yaml

from tradewind_tools import kubectl, paths

EXAMPLES = paths.CHECKOUT / "docs" / "examples" / "outside-the-cluster"
NAMESPACE = "airflow-tasks"
"""In the examples; each test run gets one of its own."""
ACCOUNT = "airflow-scheduler"
FORGET_TIMEOUT_S = 60
RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@contextmanager
def namespace_of_tasks(target):
    """Make a namespace with the example's access; yield its name, and remove it."""
    name = f"outside-{secrets.token_hex(3)}"
    access = (EXAMPLES / "access.yaml").read_text().replace(NAMESPACE, name)
    try:
        kubectl.run(target, "create", "namespace", name)
        kubectl.run(target, "label", "namespace", name, RESTRICTED)
        kubectl.run(target, "-n", name, "apply", "-f", "-", text_input=access)
        yield name
    finally:
        kubectl.run(target, "delete", "namespace", name, "--wait=false", "--ignore-not-found")


def lasting_token(target, namespace):
    """Return the token that the example's Secret got."""
    deadline = time.monotonic() + FORGET_TIMEOUT_S
    while True:
        text = kubectl.run(target, "-n", namespace, "get", "secret", f"{ACCOUNT}-token", "-o=json")
        if token := json.loads(text).get("data", {}).get("token"):
            return base64.b64decode(token).decode()
        assert time.monotonic() < deadline, "the Secret got no token"
        time.sleep(0.5)


class RotatedToken:
    """A token file, as agents keep one: each `rotate` writes a new token and ends the last one."""

    def __init__(self, target, *, namespace, file):
        self._target = target
        self._namespace = namespace
        self.file = file
        self._bound_to = ""

    def rotate(self):
        """Write a new token; return when the API server no longer takes the one before."""
        old_token, old_bound = self.file.exists() and self.file.read_text(), self._bound_to
        self._bound_to = f"bound-{secrets.token_hex(3)}"
        self._run("create", "secret", "generic", self._bound_to)
        bound = ("--bound-object-kind=Secret", f"--bound-object-name={self._bound_to}")
        self.file.write_text(self._run("create", "token", ACCOUNT, *bound).strip())
        if old_bound:
            self._run("delete", "secret", old_bound)
            self._wait_forgotten(old_token)

    def _wait_forgotten(self, token):
        deadline = time.monotonic() + FORGET_TIMEOUT_S
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        while True:
            arguments = ("create", "-f", "-", "-o=json")
            answer = self._run(*arguments, text_input=json.dumps(review))
            if not json.loads(answer)["status"].get("authenticated"):
                return
            assert time.monotonic() < deadline, "the old token is still good"
            time.sleep(1)

    def _run(self, *words, **more):
        return kubectl.run(self._target, "-n", self._namespace, *words, **more)


def cluster_of(target):
    """Return the `cluster` of the target's own context, certificate included."""
    flags = ("config", "view", "--raw", "--minify", "--flatten", "-o", "json")
    return yaml.safe_load(kubectl.run(target, *flags))["clusters"][0]["cluster"]


def write_kubeconfig(file, *, cluster, user, only=("contexts", "clusters", "users")):
    """Write a kubeconfig whose current context leads nowhere, beside the one of the examples.

    `only` names the lists that this file has; the others belong into another one.
    """
    nowhere = {"server": "https://127.0.0.1:1"}
    to_tasks = {"cluster": "workers", "user": ACCOUNT}
    lists = {
        "contexts": [
            {"name": "nowhere", "context": {"cluster": "nowhere", "user": ACCOUNT}},
            {"name": NAMESPACE, "context": to_tasks},
        ],
        "clusters": [
            {"name": "nowhere", "cluster": nowhere},
            {"name": "workers", "cluster": cluster},
        ],
        "users": [{"name": ACCOUNT, "user": user}],
    }
    document = {"apiVersion": "v1", "kind": "Config"} | {name: lists[name] for name in only}
    if "contexts" in only:
        document["current-context"] = "nowhere"
    file.write_text(yaml.safe_dump(document))
    return file
