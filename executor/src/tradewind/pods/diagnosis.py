"""Why a pod ended, for the person who reads the failed task. Pure.

Most specific evidence first: what the kubelet says of the whole pod, a disruption announced in the
conditions, the end of the task's container, an init container, a deletion, what a container waits
for, and last the events, which are needed only where the status tells nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence

from tradewind.client.models import Event, Pod, Terminated
from tradewind.pods import causes, ending, pending, removal, startup, state
from tradewind.pods.causes import Cause, Finding, Kind
from tradewind.pods.state import PodState

_STOPPED = frozenset({signal.SIGTERM, signal.SIGKILL})
_OF_A_DELETION = frozenset({Kind.SIGNAL, Kind.NO_RESULT, Kind.NOT_STARTED})
"""How a container ends that a deletion stops."""


def explain(pod: Pod, *, events: Sequence[Event] = ()) -> Cause:
    """Return why the pod ended or does not start.

    `events` are those of that pod, latest last, if somebody asked for them.
    """
    finding = (
        _whole_pod(pod, events)
        or removal.from_disruption(pod)
        or _container(pod)
        or _init_container(pod)
        or _deleting(pod)
        or startup.find(pod, events=events)
        or removal.from_events(events)
        or pending.find(pod, events=events)
        or removal.from_reason(pod)
        or _silent(pod)
    )
    return causes.tell(pod, finding)


def of(pod: Pod) -> str:
    """Return the sentence of `explain`."""
    return explain(pod).sentence


def deleted(pod: Pod, *, events: Sequence[Event] = (), seen: bool = True) -> Cause:
    """Return why the pod, as last seen, was gone before its container had ended.

    `seen` is False when no watch told of its end and only its absence from a list did.
    """
    finding = (
        removal.from_disruption(pod)
        or removal.from_reason(pod)
        or removal.from_events(events)
        or Finding(Kind.DELETED, "it was deleted from outside")
    )
    where = f" on node {pod.spec.node_name}" if pod.spec.node_name else ""
    unseen = "" if seen else ", and nobody saw it end"
    lead = f" was gone before its task had ended{where}{unseen}"
    return causes.tell(pod, finding, lead=lead)


def _whole_pod(pod: Pod, events: Sequence[Event]) -> Finding | None:
    finding = removal.from_reason(pod)
    if finding is None or finding.kind is Kind.OTHER:
        return None  # A reason that we do not know must not hide one that we do.
    if finding.kind is not Kind.DEADLINE or state.has_started(pod):
        return finding
    # The deadline also counts the time before the start: what the pod waited for is the cause.
    waited = startup.find(pod, events=events)
    if waited is None:
        return finding
    facts = f"{finding.facts} before the task began: {waited.facts}"
    return Finding(Kind.DEADLINE, facts, waited.remedy or causes.ABOUT[waited.kind].remedy)


def _container(pod: Pod) -> Finding | None:
    base = state.base_status(pod)
    end = state.ended(pod)
    if base is None or end is None:
        return None
    finding = ending.of(end, name=base.name, pod=pod) or _ended_well(end, name=base.name)
    if finding.kind in _OF_A_DELETION and _was_deleted(pod, end):
        how = ending.words(end, name=base.name)
        when = "before its task began" if finding.kind is Kind.NOT_STARTED else "while its task ran"
        return Finding(Kind.DELETED, f"deleted from outside {when}: {how}")
    return finding


def _ended_well(end: Terminated, *, name: str) -> Finding:
    how = ending.words(end, name=name)
    return Finding(Kind.NO_RESULT, f"{how}, but its task never reported a result")


def _was_deleted(pod: Pod, end: Terminated) -> bool:
    """Whether the container obeyed a deletion: stopped by its signals, or ended well on them."""
    obeyed = end.exit_code == 0 or ending.killed_by(end) in _STOPPED
    return pod.metadata.deletion_timestamp is not None and obeyed


def _init_container(pod: Pod) -> Finding | None:
    for status in pod.status.init_container_statuses:
        end = status.state.terminated
        finding = None if end is None else ending.of(end, name=status.name, pod=pod)
        if finding is None or state.is_sidecar(pod, status.name):
            continue  # A sidecar is ended by the kubelet after the task's container, often badly.
        if finding.kind in {Kind.EXIT_CODE, Kind.SIGNAL}:
            remedy = f"read the log of init container {status.name!r} and correct it"
            return Finding(Kind.INIT_CONTAINER, f"init {finding.facts}", remedy)
        return Finding(finding.kind, f"init {finding.facts}", finding.remedy)
    return None


def _deleting(pod: Pod) -> Finding | None:
    if state.of(pod) is not PodState.DELETING:
        return None
    return Finding(Kind.DELETED, "it is being deleted from outside, and its task has not ended")


def _silent(pod: Pod) -> Finding:
    phase = pod.status.phase or "without a phase"
    said = f": {pod.status.message}" if pod.status.message else " and gives no reason"
    return Finding(Kind.NO_REASON, f"it is {phase}{said}")
