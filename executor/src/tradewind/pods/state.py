"""What a pod's status says about its task. Pure.

The `base` container decides, not the pod's phase: a sidecar that outlives the task must not keep
the task waiting, and a sidecar that fails must not fail it.
"""

from __future__ import annotations

import math
from datetime import datetime
from enum import Enum

from tradewind.client.models import Container, ContainerStatus, Pod, Terminated
from tradewind.contract import EXIT_NOT_STARTED, Farewell
from tradewind.pods import boarding
from tradewind.pods.template import BASE_CONTAINER

_EPOCH = "1970-01-01T00:00:00Z"
"""What the kubelet writes as the start of a container whose command could not be started."""


class PodState(Enum):
    """Where the task's container stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DELETING = "deleting"
    """Asked to go, and its container has not ended yet."""

    @property
    def has_ended(self) -> bool:
        """Whether the task's container will never run again."""
        return self in {PodState.SUCCEEDED, PodState.FAILED}


def of(pod: Pod) -> PodState:
    """Return the state of the task's container."""
    base = base_status(pod)
    if base is not None and base.state.terminated is not None:
        return PodState.FAILED if base.state.terminated.exit_code else PodState.SUCCEEDED
    if pod.status.phase == "Failed":
        return PodState.FAILED
    if pod.status.phase == "Succeeded":
        return PodState.SUCCEEDED
    if pod.metadata.deletion_timestamp is not None:
        return PodState.DELETING
    if base is not None and base.state.running is not None:
        return PodState.RUNNING
    return PodState.PENDING


def base_status(pod: Pod) -> ContainerStatus | None:
    """Return the base container's status, or None before the kubelet wrote one."""
    for status in pod.status.container_statuses:
        if status.name == BASE_CONTAINER:
            return status
    return None


def is_ready(pod: Pod) -> bool:
    """Whether the base container runs and has passed its startup probe, where it has one."""
    base = base_status(pod)
    return base is not None and base.state.running is not None and base.started is not False


def running_since_s(pod: Pod) -> float:
    """Return since when the base container runs, seconds since 1970; infinity if it does not."""
    base = base_status(pod)
    running = None if base is None else base.state.running
    return seconds(None if running is None else running.started_at)


def seconds(timestamp: str | None) -> float:
    """Return Kubernetes' timestamp in seconds since 1970; infinity when it says no time."""
    try:
        return datetime.fromisoformat(timestamp or "").timestamp()
    except ValueError:
        return math.inf


def has_started(pod: Pod) -> bool:
    """Whether the base container was ever started."""
    base = base_status(pod)
    if base is None:
        return False
    ended = base.state.terminated
    return base.state.running is not None or (ended is not None and was_started(ended))


def was_started(end: Terminated) -> bool:
    """Whether the container that ended so had run at all."""
    return bool(end.started_at) and end.started_at != _EPOCH


def ended(pod: Pod) -> Terminated | None:
    """Return how the base container ended, or None while it has not."""
    base = base_status(pod)
    return None if base is None else base.state.terminated


def farewell(pod: Pod) -> Farewell | None:
    """Return what our worker left at its end, or None for a pod that none of ours ran in.

    Its exit code says it too, where it could write nothing.
    """
    end = ended(pod)
    if end is None:
        return None
    said = Farewell.decode(end.message)
    if said is None and end.exit_code == EXIT_NOT_STARTED and boarding.hash_of(pod.metadata.labels):
        return Farewell(ended="not_started")
    return said


def asked(pod: Pod, name: str) -> Container | None:
    """Return what the spec asks of the container of that name, whatever its position."""
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        if container.name == name:
            return container
    return None


def is_sidecar(pod: Pod, name: str) -> bool:
    """Whether the init container of that name is a sidecar: it stays while the task runs."""
    container = asked(pod, name)
    return container is not None and container.restart_policy == "Always"
