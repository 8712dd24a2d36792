"""What the end of one container says. Pure.

A container that ran and ended leaves an exit code, a reason of the kubelet (`OOMKilled`, `Error`,
`StartError`, `ContainerStatusUnknown`) and perhaps a termination message.
"""

from __future__ import annotations

import signal

from tradewind.client.models import Pod, Quantity, Resources, Terminated
from tradewind.contract import Farewell
from tradewind.pods import state
from tradewind.pods.causes import Finding, Kind, tail
from tradewind.pods.template import BASE_CONTAINER

WAS_OOM_KILLED = "was OOMKilled"
"""After the name of the container: sentences of earlier tries are counted by it."""
_MAX_MESSAGE_CHARS = 220
"""Of a termination message, which may be the last 2 KiB of the container's log."""
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64
_PLAIN_REASONS = frozenset({"", "Error", "Completed"})
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun", "ContainerCreateFailed"})
_LOST = "ContainerStatusUnknown"

_CRASHED = "find the native library that does not fit this image or CPU; PYTHONFAULTHANDLER=1 helps"
_REMEDY_BY_SIGNAL = {
    signal.SIGKILL: "look for a kill after the grace period, a failed liveness probe or a node "
    "that ran out of memory at that time",
    signal.SIGTERM: "look for what asked it to stop: a deletion, a drain or a person",
    signal.SIGSEGV: _CRASHED,
    signal.SIGBUS: _CRASHED,
    signal.SIGILL: _CRASHED,
    signal.SIGABRT: _CRASHED,
}
_REMEDY_BY_EXIT_CODE = {
    126: "make the command executable for the container's user, or correct it",
    127: "correct the command, or use an image that holds it and Airflow",
}
_ROOM_REMEDY = (
    "set a memory request and limit that fit the task, so that it gets a node with room for it"
)


def of(end: Terminated, *, name: str, pod: Pod) -> Finding | None:
    """Return what the end of the container `name` says, or None when it ended well."""
    if end.reason == "OOMKilled":
        return _out_of_memory(end, name=name, pod=pod)
    if name == BASE_CONTAINER and (finding := _without_its_task(pod)):
        return finding
    if end.exit_code == 0:
        return None
    if end.reason in _NEVER_STARTED:
        facts = f"container {name} could not be started ({end.reason}): {end.message}"
        return Finding(Kind.START_ERROR, facts)
    if end.reason == _LOST:
        where = f" {pod.spec.node_name}" if pod.spec.node_name else ""
        return Finding(Kind.NODE_LOST, f"node{where} lost track of container {name} ({_LOST})")
    return _exited(end, name=name)


def killed_by(end: Terminated) -> signal.Signals | None:
    """Return the signal that ended the container, told outright or by an exit code above 128."""
    number = end.signal or end.exit_code - _SIGNAL_BASE
    try:
        return signal.Signals(number) if 0 < number <= _LAST_SIGNAL else None
    except ValueError:
        return None


def words(end: Terminated, *, name: str) -> str:
    """Return how the container ended: its exit code, the signal behind it, what was said."""
    number = killed_by(end)
    code = f"exit code {end.exit_code}" + (f" ({number.name})" if number else "")
    reason = "" if end.reason in _PLAIN_REASONS else f", {end.reason}"
    said = Farewell.decode(end.message)
    text = end.message if said is None else said.reason
    message = f": {tail(text, _MAX_MESSAGE_CHARS)}" if text else ""
    return f"container {name} ended with {code}{reason}{message}"


def _without_its_task(pod: Pod) -> Finding | None:
    """Return what our worker says when it ended without having run its task."""
    said = state.farewell(pod)
    if said is None or said.ended == "ran":
        return None
    reason = f": {tail(said.reason, _MAX_MESSAGE_CHARS)}" if said.reason else ""
    if said.ended == "superseded":
        return Finding(Kind.SUPERSEDED, f"its task was not its own any more{reason}")
    return Finding(Kind.NOT_STARTED, f"its worker ended before the task began{reason}")


def _exited(end: Terminated, *, name: str) -> Finding:
    number = killed_by(end)
    if number is None:
        remedy = _REMEDY_BY_EXIT_CODE.get(end.exit_code, "")
        return Finding(Kind.EXIT_CODE, words(end, name=name), remedy)
    facts = words(end, name=name)
    if number is signal.SIGKILL:
        facts += ", and not for its memory limit"
    return Finding(Kind.SIGNAL, facts, _REMEDY_BY_SIGNAL.get(number, ""))


def _out_of_memory(end: Terminated, *, name: str, pod: Pod) -> Finding:
    # A child can be killed for memory while the container's first process goes on and exits 0.
    who = f"container {name}" if end.exit_code else f"a process of container {name}"
    container = state.asked(pod, name)
    own = _memory_limit(container.resources) if container else None
    if own is not None:
        facts = f"{who} {WAS_OOM_KILLED} at its memory limit of {own}"
        remedy = "" if name == BASE_CONTAINER else f"raise the memory limit of container {name!r}"
        return Finding(Kind.OOM_KILLED, facts, remedy)
    whole = _memory_limit(pod.spec.resources)
    if whole is not None:
        facts = f"{who} {WAS_OOM_KILLED} at the pod's memory limit of {whole}"
        return Finding(Kind.OOM_KILLED, facts, "raise the memory limit of the pod")
    if container is None:
        return Finding(Kind.OOM_KILLED, f"{who} {WAS_OOM_KILLED}: it ran out of memory")
    facts = f"{who} {WAS_OOM_KILLED} without a memory limit of its own: its node ran out of memory"
    return Finding(Kind.OOM_KILLED, facts, _ROOM_REMEDY)


def _memory_limit(resources: Resources) -> Quantity | None:
    return resources.limits.get("memory")
