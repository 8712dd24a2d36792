"""One sentence on why a pod ended, for the person who reads the failed task. Pure.

Most specific evidence first: the base container's own end, then a disruption announced in the
conditions, then an init container, then the pod's reason, then what it was waiting for.
"""

from __future__ import annotations

import signal

from tradewind.client.models import ContainerStatus, Pod, Terminated
from tradewind.pods import state

_SIGNAL_BASE = 128
_MAX_CHARS = 400


def of(pod: Pod) -> str:
    """Return why the pod ended or does not start: never empty, at most about 500 characters."""
    evidence = (
        _pod_reason(pod)
        or _disruption(pod)
        or _container_end(pod)
        or _init_container(pod)
        or _waiting(pod)
        or f"pod is {pod.status.phase or 'unknown'} without a reason"
    )
    return f"pod {pod.metadata.namespace}/{pod.metadata.name}: {evidence[:_MAX_CHARS]}"


def deleted(pod: Pod) -> str:
    """Return the sentence for a pod that disappeared before its container had ended."""
    where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    cause = _disruption(pod) or _pod_reason(pod) or "it was deleted from outside"
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    return f"pod {name} was gone before its task had ended{where}: {cause}"


def _container_end(pod: Pod) -> str:
    end = state.ended(pod)
    return "" if end is None or end.exit_code == 0 else f"container base {_ending(end)}"


def _ending(end: Terminated) -> str:
    if end.reason == "OOMKilled":
        return "was OOMKilled: it used more memory than its limit; raise the memory limit"
    words = f"ended with exit code {end.exit_code}"
    number = end.signal or (end.exit_code - _SIGNAL_BASE if end.exit_code > _SIGNAL_BASE else 0)
    if number:
        words += f" ({_signal_name(number)})"
    if end.reason and end.reason not in {"Error", "Completed"}:
        words += f", {end.reason}"
    return f"{words}: {end.message}" if end.message else words


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _disruption(pod: Pod) -> str:
    for condition in pod.status.conditions:
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return f"disrupted ({condition.reason}): {condition.message}"
    return ""


def _pod_reason(pod: Pod) -> str:
    if not pod.status.reason:
        return ""
    return f"{pod.status.reason}: {pod.status.message}".rstrip(": ")


def _init_container(pod: Pod) -> str:
    for status in pod.status.init_container_statuses:
        end = status.state.terminated
        if end is not None and end.exit_code != 0:
            return f"init container {status.name} {_ending(end)}"
    return ""


def _waiting(pod: Pod) -> str:
    for status in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        if said := _waiting_reason(status):
            return f"container {status.name} waits: {said}"
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"not scheduled ({condition.reason}): {condition.message}"
    return ""


def _waiting_reason(status: ContainerStatus) -> str:
    waiting = status.state.waiting
    if waiting is None or waiting.reason in {"", "PodInitializing", "ContainerCreating"}:
        return ""
    return f"{waiting.reason}: {waiting.message}".rstrip(": ")
