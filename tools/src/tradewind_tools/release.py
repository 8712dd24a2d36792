"""Install the chart on a target, show what runs, take it away.

Whether an installation is up to date is asked from the cluster: the hash of chart and values is a
label of Helm's own release record, so it is true exactly for what Helm finished.
"""

import hashlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from tradewind_tools import console, images, kubectl, locks, paths, programs, runs
from tradewind_tools.airflow_api import API_SERVICE, NAMESPACE, RELEASE, connect, credentials
from tradewind_tools.cluster.layout import NODE_ADDRESS
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target, require_running

CHART = paths.CHECKOUT / "chart"
VALUES = paths.CHECKOUT / "environments" / "dev" / "values.yaml"
DEMO_DAG = "tutorial_taskflow_api"
"""Ships with Airflow: three tasks that hand data to each other."""
HASH_LABEL = "tradewind-inputs"
MANAGED = "app.kubernetes.io/managed-by"
OURS = "tradewind-tools"
HELM_TIMEOUT = "10m"
POLL_INTERVAL_S = 1.0
SELECTOR = f"app.kubernetes.io/instance={RELEASE}"
KINDS = "deployments,statefulsets,jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A Deployment, StatefulSet or Job of the release."""

    component: str
    kind: str
    name: str
    ready: int
    wanted: int

    @property
    def is_ready(self) -> bool:
        """Whether as many pods are ready (or, of a Job, have succeeded) as wanted."""
        return self.ready >= self.wanted


def up(target: Target, *, dag_id: str) -> None:
    """Push images, install or upgrade what changed, run a DAG, say how to go on."""
    pushed = images.push(target)
    console.out.print(images.table(pushed))
    lock = target.folder / "release.lock"
    with locks.exclusive(lock, waiting_for="its work on the release"):
        _install(target)
    options = runs.Options(parse_timeout_s=runs.PARSE_TIMEOUT_S)
    with connect(target) as airflow:
        finished = runs.run(target, airflow, dag_id=dag_id, options=options)
    console.out.print(runs.table(finished))
    _farewell(target)
    if finished.state != "success":
        raise WorkFailedError(
            f"run {finished.run} of {dag_id} ended {finished.state}: see "
            f"`./task logs {dag_id} {finished.run} TASK`"
        )


def uninstall(target: Target) -> None:
    """Remove the release, and the namespace when we made it."""
    lock = target.folder / "release.lock"
    with locks.exclusive(lock, waiting_for="its work on the release"):
        if _history(target):
            with console.step(f"uninstalling release {RELEASE}"):
                _helm(target, "uninstall", RELEASE, "--wait", "--timeout", HELM_TIMEOUT)
        mine = kubectl.items(target, "namespaces", "-l", f"{MANAGED}={OURS}")
        if NAMESPACE in [item["metadata"]["name"] for item in mine]:
            with console.step(f"removing namespace {NAMESPACE}"):
                kubectl.run(target, "delete", "namespace", NAMESPACE, "--timeout=50s")


def show_status(target: Target) -> int:
    """Print release, components and pods; return 1 unless everything is ready."""
    if target.is_local and not target.kubeconfigs[0].exists():
        console.out.print("the local cluster does not run: start everything with ./task up")
        return 1
    require_running(target)
    history = _history(target)
    if not history:
        console.out.print(f"no release in namespace {NAMESPACE!r}: install one with ./task up")
        return 1
    labels = history[-1]["metadata"]["labels"]
    found = workloads(target)
    console.out.print(
        f"release [bold]{RELEASE}[/bold] revision {labels['version']}: {labels['status']}, "
        f"context {target.context}"
    )
    console.out.print(_workload_table(found))
    console.out.print(_pod_table(target))
    console.out.print(f"UI {ui_address(target)}", soft_wrap=True)
    ready = labels["status"] == "deployed" and bool(found) and all(w.is_ready for w in found)
    return 0 if ready else 1


def logs(target: Target, words: list[str]) -> None:
    """Print logs of a component (one word) or of a task (DAG RUN TASK)."""
    match words:
        case [component]:
            selector = f"{SELECTOR},app.kubernetes.io/component={component}"
            if not kubectl.items(target, "pods", "-n", NAMESPACE, "-l", selector):
                known = sorted({item.component for item in workloads(target)})
                raise ToolError(
                    f"no pod of component {component!r}: choose one of {', '.join(known) or 'none'}"
                )
            arguments = ["--all-containers", "--prefix", "--tail=200", "-l", selector]
            print(kubectl.run(target, "logs", "-n", NAMESPACE, *arguments), end="")
        case [dag_id, run_id, task_id]:
            with connect(target) as airflow:
                for line in airflow.task_log(dag_id, run_id, task_id):
                    print(line)
        case _:
            raise ToolError("give one component, or three words: DAG RUN TASK")


def workloads(target: Target) -> list[Workload]:
    """Return what the release runs."""
    found = kubectl.items(target, KINDS, "-n", NAMESPACE, "-l", SELECTOR)
    return [parse_workload(item) for item in found]


def parse_workload(item: dict[str, Any]) -> Workload:
    """Read a workload from its Kubernetes object."""
    spec, status = item["spec"], item.get("status", {})
    is_job = item["kind"] == "Job"
    return Workload(
        component=item["metadata"]["labels"].get("app.kubernetes.io/component", ""),
        kind=item["kind"],
        name=item["metadata"]["name"],
        ready=status.get("succeeded" if is_job else "readyReplicas") or 0,
        wanted=spec.get("completions" if is_job else "replicas", 1),
    )


def ui_address(target: Target) -> str:
    """Return how to reach the UI: an address, or the command that makes one."""
    found = kubectl.items(
        target, "services", "-n", NAMESPACE, "--field-selector", f"metadata.name={API_SERVICE}"
    )
    ports = found[0]["spec"]["ports"] if found else []
    if target.is_local and ports and (port := ports[0].get("nodePort")):
        return f"http://{NODE_ADDRESS}:{port}"
    flags = f"--context {target.context} -n {NAMESPACE}"
    return f"http://127.0.0.1:8080 while `kubectl {flags} port-forward svc/{API_SERVICE} 8080` runs"


def inputs_hash(target: Target) -> str:
    """Return the hash of everything that decides what Helm would install."""
    digest = hashlib.sha256()
    for file in sorted(path for path in CHART.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(CHART)}\0".encode() + file.read_bytes())
    for file in (VALUES, images.values_file(target)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _install(target: Target) -> None:
    wanted = inputs_hash(target)
    history = _history(target)
    latest = history[-1]["metadata"]["labels"] if history else {}
    is_same = latest.get("status") == "deployed" and latest.get(HASH_LABEL) == wanted
    if is_same and all(item.is_ready for item in workloads(target)):
        console.err.print(f"[green]✓[/green] release {RELEASE} is up to date")
        return
    if latest.get("status", "").startswith("pending"):
        _clear_pending(target, history[-1])
    _ensure_namespace(target)
    with console.step(f"installing release {RELEASE}") as step:
        arguments = ["upgrade", "--install", RELEASE, str(CHART), "--values", str(VALUES)]
        arguments += ["--values", str(images.values_file(target)), "--labels"]
        arguments += [f"{HASH_LABEL}={wanted}", "--wait", "--timeout", HELM_TIMEOUT]
        _helm(target, *arguments, step=step)


def _history(target: Target) -> list[dict[str, Any]]:
    """Return Helm's records of our release, oldest first."""
    selector = f"owner=helm,name={RELEASE}"
    found = kubectl.items(target, "secrets", "-n", NAMESPACE, "-l", selector)
    return sorted(found, key=lambda item: int(item["metadata"]["labels"]["version"]))


def _clear_pending(target: Target, record: dict[str, Any]) -> None:
    """Forget an operation whose Helm was killed: it would block every later one."""
    name, status = record["metadata"]["name"], record["metadata"]["labels"]["status"]
    if not target.is_local:
        raise ToolError(
            f"release {RELEASE} is in state {status}: wait for whoever works on it, or undo it "
            f"with `helm rollback {RELEASE}`"
        )
    # On our own cluster the lock says that nobody else works on it.
    console.warn(f"forgetting the interrupted Helm operation {name} ({status})")
    kubectl.run(target, "delete", "secret", "-n", NAMESPACE, name)


def _ensure_namespace(target: Target) -> None:
    arguments = ("namespaces", "--field-selector", f"metadata.name={NAMESPACE}")
    if kubectl.items(target, *arguments):
        return
    labels = {"pod-security.kubernetes.io/enforce": "restricted", MANAGED: OURS}
    document = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": labels},
    }
    kubectl.run(target, "create", "-f", "-", text_input=yaml.safe_dump(document))


def _helm(target: Target, *arguments: str, step: console.Step | None = None) -> None:
    helm = programs.ensure("helm4")["helm"]
    command = [str(helm), *arguments, "--namespace", NAMESPACE, *target.helm_arguments]
    with subprocess.Popen(
        command,
        env=kubectl.environment(target),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None:
            if step is not None:
                step.note(_progress(target))
            time.sleep(POLL_INTERVAL_S)
        errors = process.stderr.read() if process.stderr else ""
    if process.returncode:
        console.err.print(_pod_table(target))
        raise WorkFailedError(
            f"helm {arguments[0]} failed: {errors.strip()[-600:]}\n"
            "See ./task status and ./task logs COMPONENT; ./task up tries again"
        )


def _progress(target: Target) -> str:
    found = workloads(target)
    waiting = [item.component for item in found if not item.is_ready]
    ready = f"{len(found) - len(waiting)} of {len(found)} ready"
    return f"{ready}, waiting for {', '.join(waiting)}" if waiting else ready


def _workload_table(found: list[Workload]) -> Table:
    shown = Table("component", "kind", "name", "ready")
    for item in found:
        color = "green" if item.is_ready else "red"
        ready = f"[{color}]{item.ready}/{item.wanted}[/{color}]"
        shown.add_row(item.component, item.kind, item.name, ready)
    return shown


def _pod_table(target: Target) -> Table:
    shown = Table("pod", "node", "phase", "restarts", "image")
    for item in kubectl.items(target, "pods", "-n", NAMESPACE):
        statuses = item["status"].get("containerStatuses", [])
        restarts = sum(status["restartCount"] for status in statuses)
        digests = {Path(status["imageID"]).name[-71:][:26] for status in statuses}
        shown.add_row(
            item["metadata"]["name"],
            item["spec"].get("nodeName", ""),
            _phase(item),
            str(restarts),
            ", ".join(sorted(digests)),
        )
    return shown


def _phase(pod: dict[str, Any]) -> str:
    """Return the pod's phase, or what a container waits for, which says more."""
    status = pod["status"]
    every = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    reasons = [item["state"].get("waiting", {}).get("reason", "") for item in every]
    worst = next((reason for reason in reasons if reason not in {"", "PodInitializing"}), "")
    phase: str = status["phase"]
    return worst or phase


def _farewell(target: Target) -> None:
    user, password = credentials(target)
    console.out.print(f"\nUI: {ui_address(target)}", soft_wrap=True)
    console.out.print(f"log in as {user} with password {json.dumps(password)}", soft_wrap=True)
    console.out.print(
        "\nNext: ./task dags:run example_dynamic_task_mapping   ./task status   "
        "./task logs scheduler   ./task down",
        soft_wrap=True,
    )
