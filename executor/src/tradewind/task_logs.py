"""Airflow seam: the log of a task, read from its pod.

The API server calls this on its own threads, without a started executor. Never raises: whatever
cannot be read is a sentence in the log view. Pods that wait, failed, or are kept answer too: with
their reason, and with what their containers wrote, init containers included.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from airflow.utils.log.logging_mixin import remove_escape_codes

from tradewind import loki_log, task_pods
from tradewind.client.errors import ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.config import Settings
from tradewind.pods import diagnosis, outputs, state
from tradewind.pods.state import PodState

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

log = logging.getLogger(__name__)

Logs = tuple[list[str], list[str]]
"""Messages for the head of the log view, and one text per container."""


def tail(ti: TaskInstance, *, try_number: int, settings: Settings) -> Logs:
    """Return messages and the last lines of the pod's containers. Never raises."""
    if loki_log.was_shown(ti):
        return ["The pod's own output is left out: its lines are in Loki"], []
    try:
        selectors = task_pods.selectors_of(ti, try_number=try_number)
        namespaces = task_pods.namespaces_of(ti, settings)

        async def ask(cluster: Cluster) -> Logs:
            pods = await task_pods.find(cluster, namespaces, selectors)
            if not pods:
                return [_no_pod(ti, try_number, namespaces)], []
            return await _read(cluster, pods[-1], lines=settings.running_log_lines)

        return task_pods.visit(settings, ask)
    except Exception as error:  # noqa: BLE001 - a log view shows it, whatever it is
        log.warning("cannot read the log of a task's pod: %s", error)
        return [f"Cannot read the log of the task's pod: {error}"], []


async def _read(cluster: Cluster, pod: Pod, *, lines: int) -> Logs:
    messages, texts = [_headline(pod, lines=lines)], []
    for container in outputs.containers_with_logs(pod):
        try:
            text = await cluster.read_log(
                pod.metadata.namespace, pod.metadata.name, container=container, tail_lines=lines
            )
        except ClusterError as error:
            messages.append(f"Cannot read the log of container {container}: {error}")
        else:
            texts.append(remove_escape_codes(text))
    return messages, texts


def _headline(pod: Pod, *, lines: int) -> str:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    match state.of(pod):
        case PodState.RUNNING:
            return f"Live log of pod {name}, last {lines} lines"
        case PodState.SUCCEEDED:
            return f"Log of ended pod {name}, last {lines} lines"
        case PodState.FAILED:
            return f"Failed {diagnosis.of(pod)}; last {lines} lines of its log"
        case _:
            return f"Not running yet: {diagnosis.of(pod)}"


def _no_pod(ti: TaskInstance, try_number: int, namespaces: tuple[str, ...]) -> str:
    where = ", ".join(namespaces) if namespaces != ("",) else "any namespace"
    return (
        f"No pod of {ti.dag_id}.{ti.task_id}, run {ti.run_id}, try {try_number} exists in {where}: "
        "it was not created yet, or it is deleted and its log with it"
    )
