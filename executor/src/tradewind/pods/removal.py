"""What took a pod away: its own reason, a disruption announced in its conditions, events. Pure.

The reasons and their messages are those of Kubernetes 1.30 to 1.36: kubelet eviction, preemption,
admission and shutdown, the scheduler, the taint manager and the pod garbage collector.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tradewind.client.models import Condition, Event, Pod
from tradewind.pods.causes import Finding, Kind, quoted

_BY_POD_REASON = {
    "Preempting": Kind.PREEMPTED,
    "NodeLost": Kind.NODE_LOST,
    "Terminated": Kind.NODE_SHUTDOWN,
    "NodeShutdown": Kind.NODE_SHUTDOWN,
    "Shutdown": Kind.NODE_SHUTDOWN,
}
_REFUSALS = frozenset(
    {
        "NodeAffinity",
        "TaintToleration",
        "UnexpectedAdmissionError",
        "TopologyAffinityError",
        "SMTAlignmentError",
        "VolumeAttachmentLimitExceeded",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
    }
)
_REJECTED = "Pod was rejected"
"""How kubelets of today begin the message of any refusal, and older ones did not."""

_BY_DISRUPTION = {
    "PreemptionByScheduler": (Kind.PREEMPTED, "preempted to make room for a higher priority"),
    "EvictionByEvictionAPI": (Kind.DISRUPTED, "evicted on request, as a node drain does"),
    "DeletionByTaintManager": (
        Kind.NODE_LOST,
        "deleted because its node got a NoExecute taint, as nodes do that stop answering",
    ),
    "DeletionByDeviceTaintManager": (Kind.DISRUPTED, "deleted because a device it uses is tainted"),
    "DeletionByPodGC": (Kind.NODE_LOST, "cleaned up because its node no longer exists"),
}
_BY_EVENT = {
    "Preempted": (Kind.PREEMPTED, "preempted"),
    "Preempting": (Kind.PREEMPTED, "preempted"),
    "TaintManagerEviction": (Kind.NODE_LOST, "deleted because of a taint of its node"),
    "NodeControllerEviction": (Kind.NODE_LOST, "deleted because its node was lost"),
    "NodeNotReady": (Kind.NODE_LOST, "on a node that stopped answering"),
}

_OWN_STORAGE = re.compile(r"ephemeral (local )?storage (limit|usage exceeds)|Usage of EmptyDir")
_SCARCE = re.compile(r"low on resource: ([\w.-]+?)[.,]?(\s|$)")
_UNDER_PRESSURE = "The node had condition"
_PRESSURE_REMEDY = "let it be placed again; see what fills that node (kubectl describe node)"
_STORAGE_REMEDY = (
    "request as much ephemeral-storage as the task writes, or let it write less to local disk"
)
_REMEDY_BY_SCARCE = {
    "memory": "request as much memory as the task uses, so that it gets a node with room for it",
    "ephemeral-storage": _STORAGE_REMEDY,
    "inodes": "let the task write fewer files to local disk, or have the node's disk cleaned",
    "pids": "let the task start fewer processes and threads, or have the node's pid limit raised",
}


def from_reason(pod: Pod) -> Finding | None:
    """Return what the pod's own reason says; the kubelet sets one when it fails a whole pod."""
    reason, message = pod.status.reason, pod.status.message
    if not reason:
        return None
    if reason == "Evicted":
        return _evicted(f"evicted by the kubelet ({_said(pod, reason, message)})", message)
    if reason == "DeadlineExceeded":
        return _deadline(pod)
    known = _BY_POD_REASON.get(reason)
    if known is not None:
        return Finding(known, f"{_words(known)} ({_said(pod, reason, message)})")
    if reason in _REFUSALS or reason.startswith("OutOf") or message.startswith(_REJECTED):
        return Finding(Kind.NODE_REFUSED, f"refused by its node ({_said(pod, reason, message)})")
    return Finding(Kind.OTHER, f"failed with {quoted(reason, message)}")


def from_disruption(pod: Pod) -> Finding | None:
    """Return the disruption that was announced for the pod, unless it was called off."""
    for condition in pod.status.conditions:
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return _disruption(pod, condition)
    return None


def from_events(events: Sequence[Event]) -> Finding | None:
    """Return the latest removal that the events, latest last, tell; a cancelled one is none."""
    for event in reversed(events):
        if event.message.startswith("Cancelling"):
            return None
        if event.reason == "Evicted":
            return _evicted(f"evicted by the kubelet: {event.message}", event.message)
        if event.reason in _BY_EVENT:
            kind, words = _BY_EVENT[event.reason]
            return Finding(kind, f"{words} ({quoted(event.reason, event.message)})")
    return None


def _disruption(pod: Pod, condition: Condition) -> Finding:
    said = _said(pod, condition.reason, condition.message)
    if condition.reason == "TerminationByKubelet":
        return _by_kubelet(condition.message, said)
    kind, words = _BY_DISRUPTION.get(condition.reason, (Kind.DISRUPTED, "disrupted"))
    return Finding(kind, f"{words} ({said})")


def _by_kubelet(message: str, said: str) -> Finding:
    """Tell apart the three removals that the kubelet announces under one reason."""
    lower = message.lower()
    if "shutdown" in lower or "shutting down" in lower:
        kind = Kind.NODE_SHUTDOWN
    elif "preempt" in lower:
        kind = Kind.PREEMPTED
    else:
        return _evicted(f"evicted by the kubelet ({said})", message)
    return Finding(kind, f"{_words(kind)} ({said})")


def _evicted(facts: str, message: str) -> Finding:
    if _OWN_STORAGE.search(message):
        return Finding(Kind.STORAGE_LIMIT, facts)
    if _UNDER_PRESSURE in message:
        return Finding(Kind.EVICTED, facts, _PRESSURE_REMEDY)
    scarce = _SCARCE.search(message)
    return Finding(
        Kind.EVICTED, facts, _REMEDY_BY_SCARCE.get(scarce.group(1), "") if scarce else ""
    )


def _deadline(pod: Pod) -> Finding:
    limit = pod.spec.active_deadline_seconds
    size = f" of {limit} s" if limit is not None else ""
    return Finding(Kind.DEADLINE, f"DeadlineExceeded: it outlived its activeDeadlineSeconds{size}")


def _words(kind: Kind) -> str:
    match kind:
        case Kind.PREEMPTED:
            return "preempted by the kubelet to make room for a critical pod"
        case Kind.NODE_LOST:
            return "lost with its node"
        case _:
            return "ended by the shutdown of its node"


def _said(pod: Pod, reason: str, message: str) -> str:
    node = pod.spec.node_name
    return quoted(f"{reason} on node {node}" if node else reason, message)
