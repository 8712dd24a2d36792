"""What a pod that has not started yet waits for, and for how long that is right. Pure.

`why_pending` reads one pod; `follow` remembers since when a wait of that class lasts, so that a pod
which waited for a node is not blamed for its first failed pull; `judge` is the table of patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from tradewind.client.models import Event, Pod
from tradewind.pods import causes, startup, state
from tradewind.pods.causes import Finding, Kind
from tradewind.pods.state import PodState


class PendingClass(StrEnum):
    """Waits that deserve the same patience."""

    IMAGE = "image"
    CONFIG = "config"
    VOLUME = "volume"
    UNSCHEDULABLE = "unschedulable"
    INIT = "init"
    STARTING = "starting"
    SCHEDULED_NOT_STARTED = "scheduled_not_started"


_CLASS_BY_KIND = {
    Kind.IMAGE_PULL: PendingClass.IMAGE,
    Kind.IMAGE_NAME: PendingClass.IMAGE,
    Kind.CONFIG_ERROR: PendingClass.CONFIG,
    Kind.CREATE_ERROR: PendingClass.CONFIG,
    Kind.START_ERROR: PendingClass.CONFIG,
    Kind.MOUNT_FAILED: PendingClass.VOLUME,
    Kind.UNSCHEDULABLE: PendingClass.UNSCHEDULABLE,
    Kind.INIT_CONTAINER: PendingClass.INIT,
    Kind.SIDECAR: PendingClass.INIT,
    Kind.NODE_SILENT: PendingClass.SCHEDULED_NOT_STARTED,
}
"""Every other kind is `STARTING`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Why a pod's task has not begun."""

    kind: Kind
    sentence: str
    klass: PendingClass
    fatal: bool = False
    """Waiting cannot help: only another pod can."""
    wants_events: bool = False
    """The status does not tell why; the pod's events may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds in one class after which a pending pod is given up; 0 waits for ever.

    The defaults stay below the 600 s of Airflow's `[scheduler] task_queued_timeout`, which fails
    the task without saying why.
    """

    image_s: float = 300.0
    config_s: float = 120.0
    """Secrets and ConfigMaps are often applied a moment after the pod."""
    volume_s: float = 300.0
    unschedulable_s: float = 540.0
    """Long enough for an autoscaler to bring a node."""
    init_s: float = 540.0
    starting_s: float = 540.0
    """Long enough to pull a large image."""
    scheduled_not_started_s: float = 180.0

    def limit_s(self, klass: PendingClass) -> float:
        """Return the seconds after which a pod in that class is given up."""
        limit: float = getattr(self, f"{klass.value}_s")
        return limit


_TELL_AFTER_S = {
    PendingClass.IMAGE: 0.0,
    PendingClass.CONFIG: 0.0,
    PendingClass.VOLUME: 0.0,
    PendingClass.UNSCHEDULABLE: 10.0,
    PendingClass.INIT: 60.0,
    PendingClass.STARTING: 30.0,
    PendingClass.SCHEDULED_NOT_STARTED: 30.0,
}
"""Shorter waits of that class are how pods start, and nothing to tell anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wait and when its class began, in the clock's seconds."""

    pending: Pending
    since_s: float


class Step(Enum):
    """What to do about a pending pod now."""

    WAIT = auto()
    """All is normal."""
    TELL = auto()
    """Let the user know the sentence, and go on waiting."""
    ASK = auto()
    """Tell, and list the pod's events: with them `why_pending` may know more."""
    GIVE_UP = auto()
    """Delete the pod; its sentence is why the launch failed."""


def why_pending(pod: Pod, *, events: Sequence[Event] = ()) -> Pending | None:
    """Return what the pod waits for; None once it runs, has ended or is being deleted.

    `events` are those of that pod, latest last, if somebody asked for them.
    """
    finding = find(pod, events=events)
    if finding is None:
        return None
    return Pending(
        kind=finding.kind,
        sentence=causes.tell(pod, finding).sentence,
        klass=_CLASS_BY_KIND.get(finding.kind, PendingClass.STARTING),
        fatal=_is_fatal(finding),
        wants_events=finding.vague,
    )


def find(pod: Pod, *, events: Sequence[Event] = ()) -> Finding | None:
    """Return what `why_pending` tells, for a caller that words it itself."""
    if state.of(pod) is not PodState.PENDING:
        return None
    return (
        startup.from_schedule(pod)
        or startup.find(pod, events=events)
        or _init(pod)
        or _silent_node(pod)
        or _starting(pod, events)
    )


def follow(before: Wait | None, pending: Pending | None, *, now_s: float) -> Wait | None:
    """Return the wait as of now: as long as the class stays, it began when it was first seen."""
    if pending is None:
        return None
    if before is not None and before.pending.klass is pending.klass:
        return Wait(pending=pending, since_s=before.since_s)
    return Wait(pending=pending, since_s=now_s)


def judge(wait: Wait, *, now_s: float, patience: Patience) -> Step:
    """Return what to do about the wait at `now_s`."""
    pending, waited_s = wait.pending, now_s - wait.since_s
    limit_s = patience.limit_s(pending.klass)
    if pending.fatal or 0 < limit_s <= waited_s:
        return Step.GIVE_UP
    if waited_s < _TELL_AFTER_S[pending.klass]:
        return Step.WAIT
    return Step.ASK if pending.wants_events else Step.TELL


def _is_fatal(finding: Finding) -> bool:
    by_user = finding.kind is Kind.CONFIG_ERROR and "runAsNonRoot" in finding.facts
    return finding.kind is Kind.IMAGE_NAME or by_user


def _silent_node(pod: Pod) -> Finding | None:
    if pod.status.container_statuses or pod.status.init_container_statuses:
        return None
    where = f" {pod.spec.node_name}" if pod.spec.node_name else ""
    facts = f"placed on node{where}, whose kubelet has not begun with it"
    return Finding(Kind.NODE_SILENT, facts, vague=True)


def _init(pod: Pod) -> Finding | None:
    for status in pod.status.init_container_statuses:
        running = status.state.running
        if running is None or (state.is_sidecar(pod, status.name) and status.started):
            continue
        since = f" since {running.started_at}" if running.started_at else ""
        if state.is_sidecar(pod, status.name):
            facts = f"sidecar {status.name} runs{since}, but its startup probe has not passed"
            return Finding(Kind.SIDECAR, facts, startup.read_log(pod, status.name))
        facts = f"init container {status.name} runs{since}"
        return Finding(Kind.INIT_CONTAINER, facts, startup.read_log(pod, status.name))
    return None


def _starting(pod: Pod, events: Sequence[Event]) -> Finding:
    where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    what = "volumes and network are being set up" if _is_bare(pod) else "containers are being made"
    doing = startup.pulling(events)
    facts = f"its {what}{where}" + (f" ({doing})" if doing else "")
    return Finding(Kind.SLOW_START, facts, vague=True)


def _is_bare(pod: Pod) -> bool:
    """Whether the kubelet says that volumes and network are not ready yet."""
    return any(
        condition.type == "PodReadyToStartContainers" and condition.status == "False"
        for condition in pod.status.conditions
    )
