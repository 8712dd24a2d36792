"""What an installed release is doing: components, pods, why something is not ready, logs."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from tradewind_tools import console, kubectl
from tradewind_tools.airflow_api import API_SERVICE, RELEASE, Airflow, connect
from tradewind_tools.cluster.layout import NODE_ADDRESS
from tradewind_tools.errors import ToolError
from tradewind_tools.pod_record import POOL, TASK_PODS
from tradewind_tools.target import Target

SELECTOR = f"app.kubernetes.io/instance={RELEASE}"
COMPONENT = "app.kubernetes.io/component"
KINDS = "deployments,statefulsets,jobs"
SHOWN_LINES = 200
"""Of each container's log."""
LAST_WORDS_LINES = 12
"""Of a failed Job's log, in an error message."""
REASON_CHARS = 300


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a pod does not do its work."""

    pod: str
    container: str
    """Empty when it is the pod as a whole."""
    reason: str


def show(target: Target) -> int:
    """Print release, components and pods; return 1 unless everything is ready."""
    if target.is_local and not target.kubeconfigs[0].exists():
        console.out.print("the local cluster does not run: start everything with ./task up")
        return 1
    history = records(target)
    if not history:
        where = f"namespace {target.namespace!r}"
        console.out.print(f"no release in {where}: install one with ./task up")
        return 1
    labels = history[-1]["metadata"]["labels"]
    found = workloads(target)
    pods = kubectl.items(target, "pods", "-n", target.namespace)
    console.out.print(
        f"release [bold]{RELEASE}[/bold] revision {labels['version']}: {labels['status']}, "
        f"context {escape(target.context)}"
    )
    console.out.print(workload_table(found))
    console.out.print(pod_table(pods))
    if found_problems := problems(pods):
        console.out.print(problem_table(found_problems))
    console.out.print(f"UI {ui_address(target)}", soft_wrap=True)
    ready = labels["status"] == "deployed" and bool(found) and all(w.is_ready for w in found)
    return 0 if ready else 1


def records(target: Target) -> list[dict[str, Any]]:
    """Return Helm's records of our release, oldest first."""
    selector = f"owner=helm,name={RELEASE}"
    found = kubectl.items(target, "secrets", "-n", target.namespace, "-l", selector)
    return sorted(found, key=lambda item: int(item["metadata"]["labels"]["version"]))


def workloads(target: Target) -> list[Workload]:
    """Return what the release runs."""
    found = kubectl.items(target, KINDS, "-n", target.namespace, "-l", SELECTOR)
    return [parse_workload(item) for item in found]


def parse_workload(item: Mapping[str, Any]) -> Workload:
    """Read a workload from its Kubernetes object."""
    spec, status = item["spec"], item.get("status", {})
    is_job = item["kind"] == "Job"
    return Workload(
        component=item["metadata"]["labels"].get(COMPONENT, ""),
        kind=item["kind"],
        name=item["metadata"]["name"],
        ready=status.get("succeeded" if is_job else "readyReplicas") or 0,
        wanted=spec.get("completions" if is_job else "replicas", 1),
    )


def problems(pods: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """Return why pods of components are not ready.

    Pods of tasks have their own story, and a warm pool replaces what is amiss with its idle pods.
    """
    mine = (pod for pod in pods if not pod["metadata"].get("labels", {}).keys() & {TASK_PODS, POOL})
    return list(itertools.chain.from_iterable(map(_problems, mine)))


def last_words(target: Target) -> str:
    """Return the end of the log of a migration that failed, or nothing."""
    selector = f"{SELECTOR},{COMPONENT}=migrate"
    pods = kubectl.items(target, "pods", "-n", target.namespace, "-l", selector)
    failed = [pod for pod in pods if pod["status"].get("phase") == "Failed"]
    if not failed:
        return ""
    newest = max(failed, key=lambda pod: pod["metadata"]["creationTimestamp"])
    name = newest["metadata"]["name"]
    text = kubectl.run(target, "logs", "-n", target.namespace, name, f"--tail={LAST_WORDS_LINES}")
    return f"last lines of {name}:\n{text.rstrip()}"


def logs(
    target: Target, words: list[str], *, map_index: int | None, try_number: int | None
) -> None:
    """Print logs of a component (one word) or of a task (DAG RUN TASK)."""
    match words:
        case [component]:
            print(component_log(target, component), end="")
        case [dag_id, run_id, task_id]:
            with connect(target) as airflow:
                instances = chosen(
                    airflow.task_instances(dag_id, run_id),
                    task_id=task_id,
                    map_index=map_index,
                )
                for line in task_log(airflow, instances, try_number=try_number):
                    print(line)
        case _:
            raise ToolError("give one component, or three words: DAG RUN TASK")


def component_log(target: Target, component: str) -> str:
    """Return the end of the logs of a component's pods."""
    selector = f"{SELECTOR},{COMPONENT}={component}"
    if not kubectl.items(target, "pods", "-n", target.namespace, "-l", selector):
        known = sorted({item.component for item in workloads(target)})
        raise ToolError(
            f"no pod of component {component!r}: choose one of {', '.join(known) or 'none'}"
        )
    arguments = ["--all-containers", "--prefix", f"--tail={SHOWN_LINES}", "-l", selector]
    return kubectl.run(target, "logs", "-n", target.namespace, *arguments)


def chosen(
    instances: Iterable[dict[str, Any]], *, task_id: str, map_index: int | None
) -> list[dict[str, Any]]:
    """Return the instances of a task, all or the one of a map index; raises ToolError without."""
    every = list(instances)
    mine = [item for item in every if item["task_id"] == task_id]
    if not mine:
        names = sorted({item["task_id"] for item in every})
        raise ToolError(f"no task {task_id!r} in this run: choose one of {', '.join(names)}")
    found = [item for item in mine if map_index is None or item["map_index"] == map_index]
    if not found:
        indexes = ", ".join(str(item["map_index"]) for item in mine)
        raise ToolError(f"task {task_id!r} has no map index {map_index}: choose one of {indexes}")
    return found


def task_log(
    airflow: Airflow, instances: list[dict[str, Any]], *, try_number: int | None
) -> Iterator[str]:
    """Yield the log lines of a try (the last by default) of each instance."""
    for item in instances:
        number = item["try_number"] if try_number is None else try_number
        if not 1 <= number <= item["try_number"]:
            when = "yet" if try_number is None else f"{try_number} times"
            yield f"{item['task_id']} was not tried {when}"
            continue
        if len(instances) > 1:
            yield f"==> {item['task_id']}[{item['map_index']}] <=="
        yield from airflow.log(
            item["dag_id"],
            item["dag_run_id"],
            item["task_id"],
            map_index=item["map_index"],
            try_number=number,
        )


def ui_address(target: Target) -> str:
    """Return how to reach the UI: an address, or the command that makes one."""
    only = f"metadata.name={API_SERVICE}"
    found = kubectl.items(target, "services", "-n", target.namespace, "--field-selector", only)
    ports = found[0]["spec"]["ports"] if found else []
    if target.is_local and ports and (port := ports[0].get("nodePort")):
        return f"http://{NODE_ADDRESS}:{port}"
    flags = f"--context {target.context} -n {target.namespace}"
    return f"http://127.0.0.1:8080 while `kubectl {flags} port-forward svc/{API_SERVICE} 8080` runs"


def workload_table(found: Iterable[Workload]) -> Table:
    """Return a table of workloads."""
    shown = Table("component", "kind", "name", "ready")
    for item in found:
        color = "green" if item.is_ready else "red"
        ready = f"[{color}]{item.ready}/{item.wanted}[/{color}]"
        shown.add_row(item.component, item.kind, item.name, ready)
    return shown


def pod_table(pods: Iterable[Mapping[str, Any]]) -> Table:
    """Return a table of pods, with what runs in them."""
    shown = Table("pod", "for", "node", "phase", "restarts", "image")
    for pod in pods:
        statuses = pod["status"].get("containerStatuses", [])
        restarts = sum(status["restartCount"] for status in statuses)
        shown.add_row(
            pod["metadata"]["name"],
            purpose(pod["metadata"].get("labels", {})),
            pod["spec"].get("nodeName", ""),
            pod["status"].get("phase", ""),
            str(restarts),
            ", ".join(sorted({short_image(item["image"]) for item in pod["spec"]["containers"]})),
        )
    return shown


def purpose(labels: Mapping[str, str]) -> str:
    """Return by a pod's labels what it is there for: its component, a task, or the next task."""
    if TASK_PODS in labels:
        return "a task"
    if POOL in labels:
        return f"the next task (pool {labels[POOL]})"
    return labels.get(COMPONENT, "")


def short_image(reference: str) -> str:
    """Return repository and the first digits of the digest, or the tag, of an image."""
    name, _, digest = reference.rpartition("/")[2].partition("@sha256:")
    return f"{name}@{digest[:12]}" if digest else name


def problem_table(found: Iterable[Problem]) -> Table:
    """Return a table of what is wrong."""
    shown = Table("not ready", "container", "why")
    for item in found:
        shown.add_row(item.pod, item.container, escape(item.reason))
    return shown


def _problems(pod: Mapping[str, Any]) -> Iterator[Problem]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    phase = status.get("phase", "")
    if phase == "Succeeded":
        return
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        yield Problem(pod=name, container="", reason=_text(scheduled, fallback="not scheduled"))
    elif phase == "Failed" and status.get("reason"):
        yield Problem(pod=name, container="", reason=_text(status, fallback="failed"))
    for kind, unready in (
        ("initContainerStatuses", "the others wait for its end"),
        ("containerStatuses", "its readiness probe does not pass"),
    ):
        for container in status.get(kind, []):
            if reason := _container_reason(container, unready=unready):
                yield Problem(pod=name, container=container["name"], reason=reason)


def _container_reason(container: Mapping[str, Any], *, unready: str) -> str:
    """Return why a container does not work, or nothing."""
    state, last = container.get("state", {}), container.get("lastState", {})
    if waiting := state.get("waiting"):
        if waiting.get("reason") == "PodInitializing":
            return ""  # The init container before it has the reason.
        ended = last.get("terminated")
        return _text(waiting, fallback="waiting") + (f", {_end(ended)}" if ended else "")
    if (ended := state.get("terminated")) and ended.get("exitCode"):
        return _end(ended)
    if "running" in state and not container.get("ready"):
        return f"runs, but {unready} (yet)"
    return ""


def _end(terminated: Mapping[str, Any]) -> str:
    return f"ended with {terminated.get('reason', '')} (exit code {terminated.get('exitCode')})"


def _text(item: Mapping[str, Any], *, fallback: str) -> str:
    parts = [part for part in (item.get("reason"), item.get("message")) if part]
    return ": ".join(parts)[:REASON_CHARS] or fallback
