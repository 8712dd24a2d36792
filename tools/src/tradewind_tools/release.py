"""Install the chart on a target, and take it away.

Whether an installation is up to date is asked from the cluster: the hash of chart and values is a
label of Helm's own release record, so it is true exactly for what Helm finished. A namespace that
exists and was not made here is never touched.
"""

import hashlib
import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from tradewind_tools import (
    console,
    forward,
    images,
    kubectl,
    locks,
    paths,
    programs,
    report,
    runs,
    status,
)
from tradewind_tools.airflow_api import RELEASE, connect, credentials
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target

CHART = paths.CHECKOUT / "chart"
VALUES = paths.CHECKOUT / "environments" / "dev" / "values.yaml"
DEMO_DAG = "tutorial_taskflow_api"
"""Ships with Airflow: three tasks that hand data to each other."""
LOCAL_VALUES = paths.CHECKOUT / "environments" / "dev" / "local-cluster.yaml"
"""On top, for the cluster that we started."""
LOKI_VALUES = paths.CHECKOUT / "environments" / "dev" / "local-loki.yaml"
"""On top, where Loki's image could be made."""
LOKI_IMAGE = "loki.image"
HASH_LABEL = "tradewind-inputs"
MANAGED = "app.kubernetes.io/managed-by"
OURS = "tradewind-tools"
LABELS = {"pod-security.kubernetes.io/enforce": "restricted", MANAGED: OURS}
"""Of the namespace."""
HELM_TIMEOUT = "10m"
DELETE_TIMEOUT_S = 240.0
"""For a namespace: a database may take two minutes to write everything down."""
POLL_INTERVAL_S = 1.0
SAID_CHARS = 600
"""Of Helm's own error."""
SHOWN_PROBLEMS = 3
"""In the error's sentence; the table above it has all."""


def up(target: Target, *, dag_id: str) -> None:
    """Push images, install or upgrade what changed, run a DAG, say how to go on."""
    refuse_foreign(target, find_namespace(target))
    pushed = images.push(target)
    console.out.print(images.table(pushed))
    install(target)
    with connect(target) as airflow:
        finished = runs.run(target, airflow, dag_id=dag_id, options=runs.Options())
    console.out.print(report.table(finished))
    _farewell(target)
    if finished.state != "success":
        raise WorkFailedError(
            f"run {finished.run} of {dag_id} ended {finished.state}: see "
            f"`./task logs {dag_id} {finished.run} TASK`"
        )


def install(target: Target) -> None:
    """Make the release be what chart and values say; quick when it is so already."""
    with _alone(target):
        wanted = inputs_hash(target)
        history = status.records(target)
        latest = history[-1]["metadata"]["labels"] if history else {}
        is_same = latest.get("status") == "deployed" and latest.get(HASH_LABEL) == wanted
        if is_same and all(item.is_ready for item in status.workloads(target)):
            console.err.print(f"[green]✓[/green] release {RELEASE} is up to date")
            return
        _ensure_namespace(target)
        if latest.get("status", "").startswith("pending"):
            _clear_pending(target, history[-1])
        arguments = ["upgrade", "--install", RELEASE, str(CHART)]
        for file in value_files(target):
            arguments += ["--values", str(file)]
        arguments += ["--labels", f"{HASH_LABEL}={wanted}", "--wait", "--timeout", HELM_TIMEOUT]
        with console.step(f"installing release {RELEASE}") as step:
            _helm(target, *arguments, step=step)


def uninstall(target: Target) -> None:
    """Remove the release with its data and its namespace, which has to be one that we made."""
    with _alone(target):
        found = find_namespace(target)
        if found is None:
            console.err.print(f"[green]✓[/green] no namespace {target.namespace!r}, nothing to do")
            return
        refuse_foreign(target, found)
        if status.records(target):
            with console.step(f"uninstalling release {RELEASE}") as step:
                arguments = ["uninstall", RELEASE, "--wait", "--timeout", HELM_TIMEOUT]
                _helm(target, *arguments, step=step)
        kubectl.run(target, "delete", "namespace", target.namespace, "--wait=false")
        _wait_deleted(target)


def find_namespace(target: Target) -> dict[str, Any] | None:
    """Return our namespace's object, or None when there is none of that name."""
    arguments = ("namespaces", "--field-selector", f"metadata.name={target.namespace}")
    return next(iter(kubectl.items(target, *arguments)), None)


def refuse_foreign(target: Target, namespace: Mapping[str, Any] | None) -> None:
    """Raise ToolError when the namespace exists and somebody else made it."""
    if namespace and namespace["metadata"].get("labels", {}).get(MANAGED) != OURS:
        raise ToolError(
            f"namespace {target.namespace!r} of context {target.context!r} was not made by ./task "
            "and stays untouched: choose another with NAMESPACE=…, or, if nobody needs what is in "
            f"it, let ./task have it with `kubectl --context {target.context} label namespace "
            f"{target.namespace} {MANAGED}={OURS} --overwrite`"
        )


def value_files(target: Target) -> list[Path]:
    """Return Helm's values files, the last of which wins."""
    # A port of the node is free for certain on a cluster of our own only.
    ours = [LOCAL_VALUES] if target.is_local else []
    loki = [LOKI_VALUES] if images.has(target, LOKI_IMAGE) else []
    return [VALUES, *loki, *ours, images.values_file(target)]


def inputs_hash(target: Target) -> str:
    """Return the hash of everything that decides what Helm would install."""
    digest = hashlib.sha256()
    for file in sorted(path for path in CHART.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(CHART)}\0".encode() + file.read_bytes())
    for file in value_files(target):
        digest.update(file.read_bytes())
    # Fits a label's 63 characters.
    return digest.hexdigest()[:32]


def _alone(target: Target) -> AbstractContextManager[None]:
    return locks.exclusive(target.folder / "release.lock", waiting_for="its work on the release")


def _clear_pending(target: Target, record: Mapping[str, Any]) -> None:
    """Forget an operation whose Helm was killed: it would block every later one."""
    name, state = record["metadata"]["name"], record["metadata"]["labels"]["status"]
    if not target.is_local:
        raise ToolError(
            f"release {RELEASE} is in state {state}: wait for whoever works on it, or, if that "
            f"was interrupted, forget it with `kubectl --context {target.context} "
            f"-n {target.namespace} delete secret {name}`"
        )
    # On our own cluster the lock says that nobody else works on it.
    console.warn(f"forgetting the interrupted Helm operation {name} ({state})")
    kubectl.run(target, "delete", "secret", "-n", target.namespace, name, "--ignore-not-found")


def _ensure_namespace(target: Target) -> None:
    found = find_namespace(target)
    refuse_foreign(target, found)
    if found and found["status"].get("phase") == "Terminating":
        _wait_deleted(target)
        found = None
    if found is None:
        document = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": target.namespace, "labels": LABELS},
        }
        kubectl.run(target, "create", "-f", "-", text_input=yaml.safe_dump(document))


def _wait_deleted(target: Target) -> None:
    deadline_s = time.monotonic() + DELETE_TIMEOUT_S
    with console.step(f"waiting for the end of namespace {target.namespace}") as step:
        while found := find_namespace(target):
            left = [
                condition["message"]
                for condition in found["status"].get("conditions", [])
                if condition["status"] == "True"
            ]
            if time.monotonic() > deadline_s:
                raise WorkFailedError(
                    f"namespace {target.namespace!r} is still there after "
                    f"{DELETE_TIMEOUT_S:.0f} s: {' '.join(left) or 'no reason given'}"
                )
            step.note(left[0] if left else "deleting what is in it")
            time.sleep(POLL_INTERVAL_S)


def _helm(target: Target, *arguments: str, step: console.Step) -> None:
    helm = programs.ensure("helm4")["helm"]
    command = [*forward.dying_with_us(), str(helm), *arguments]
    command += ["--namespace", target.namespace, *target.helm_arguments]
    # A file, not a pipe: nobody reads while it runs, and Helm must not wait for that.
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            env=kubectl.environment(target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        try:
            while process.poll() is None:
                step.note(progress(status.workloads(target)))
                time.sleep(POLL_INTERVAL_S)
        finally:
            # Interrupted, Helm still marks the release as failed; killed, it could not.
            forward.end(process)
        errors.seek(0)
        said = errors.read().strip()
    if process.returncode:
        raise WorkFailedError(_failure(target, verb=arguments[0], said=said))


def _failure(target: Target, *, verb: str, said: str) -> str:
    """Print what is not ready, and return the sentence that ends the verb."""
    found = status.problems(kubectl.items(target, "pods", "-n", target.namespace))
    if found:
        console.err.print(status.problem_table(found))
    if words := status.last_words(target):
        console.err.print(words, markup=False, soft_wrap=True)
    return failure(verb=verb, said=said, problems=found)


def failure(*, verb: str, said: str, problems: list[status.Problem]) -> str:
    """Return what went wrong with Helm as one sentence and what to do."""
    why = said[-SAID_CHARS:]
    if problems:
        # Helm repeats in many lines what the pods' own reasons say better; its last line sums up.
        shown = [" ".join(filter(None, (item.pod, item.container))) for item in problems]
        pairs = zip(shown, problems, strict=True)
        reasons = [f"{name}: {item.reason}" for name, item in pairs][:SHOWN_PROBLEMS]
        summary = said.splitlines()[-1] if said else "no reason given"
        why = f"{summary} (not ready: {'; '.join(reasons)})"
    return (
        f"helm {verb} failed: {why}: look at `./task status` and `./task logs COMPONENT`, repair "
        "it and start the same command again"
    )


def progress(found: list[status.Workload]) -> str:
    """Return how many workloads are ready and which are awaited."""
    waiting = [item.component for item in found if not item.is_ready]
    ready = f"{len(found) - len(waiting)} of {len(found)} ready"
    return f"{ready}, waiting for {', '.join(waiting)}" if waiting else ready


def _farewell(target: Target) -> None:
    if not images.has(target, LOKI_IMAGE):
        console.out.print(
            "\nLogs of tasks stay in their pods: Loki is not built, which takes half an hour. "
            "`./task loki:build` and then `./task up` keep them in Loki.",
            soft_wrap=True,
        )
    user = credentials(target, namespace=target.namespace)
    console.out.print(f"\nUI: {status.ui_address(target)}", soft_wrap=True)
    password = json.dumps(user.password)
    console.out.print(f"log in as {user.username} with password {password}", soft_wrap=True)
    console.out.print(
        "\nNext: ./task dags:run example_dynamic_task_mapping   ./task status   "
        "./task logs scheduler   ./task down",
        soft_wrap=True,
    )
