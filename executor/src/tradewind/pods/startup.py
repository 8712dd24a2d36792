"""What keeps a pod from starting: its image, its configuration, its volumes, its place. Pure.

Read from what containers wait for, from the `PodScheduled` condition, and from events (latest last,
as `Cluster.list_events` returns them), which alone tell of volumes and networks. Only containers
that the task's container needs are looked at: it itself, and those that must run before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tradewind.client.models import ContainerStatus, Event, Pod, Waiting
from tradewind.pods import ending, state
from tradewind.pods.causes import Finding, Kind, clip, quoted

_NORMAL = frozenset({"", "PodInitializing", "ContainerCreating"})
_PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_KIND_BY_REASON = {
    "CreateContainerError": Kind.CREATE_ERROR,
    "PreCreateHookError": Kind.CREATE_ERROR,
    "PreStartHookError": Kind.CREATE_ERROR,
    "RunContainerError": Kind.START_ERROR,
    "PostStartHookError": Kind.START_ERROR,
    "CreatePodSandboxError": Kind.SANDBOX_FAILED,
    "ConfigPodSandboxError": Kind.SANDBOX_FAILED,
}

_PULL_NOISE = re.compile(
    r'rpc error: code = \w+ desc = |Back-off pulling image "[^"]*"(: )?|ErrImagePull: '
    r'|Error: (ErrImagePull|ImagePullBackOff)|[Ff]ailed to (pull and unpack|pull) image "[^"]*": '
    r'|failed to resolve (reference|image) "[^"]*": |failed to resolve image: '
)
"""Layers of wrapping around the registry's own words."""
_PULL_REMEDIES = (
    (
        r"unauthori[sz]ed|denied|authori[sz]ation|forbidden|\b40[13]\b",
        "give the pod imagePullSecrets that may read that repository, or correct the image's name",
    ),
    (r"toomanyrequests|\b429\b|rate limit", "pull with credentials or through a registry mirror"),
    (r"not found|manifest unknown|name unknown|\b404\b", "correct the image's name and tag"),
    (r"no space left", "free disk space on the node, or use a smaller image"),
    (
        r"no such host|timeout|timed out|refused|unreachable|x509|tls|reset|deadline|\b50\d\b",
        "check the nodes' way to the registry: DNS, proxy, certificate, firewall",
    ),
    (r"pull policy of Never", "set imagePullPolicy to IfNotPresent, or load the image on the node"),
)

_MISSING_OBJECT = re.compile(r'\b(secret|configmap) "([^"]+)" not found', re.IGNORECASE)
_MISSING_KEY = re.compile(r"find key (\S+) in (Secret|ConfigMap) \S*?([\w.-]+)(?:\s|$)")
_MISSING_ITEM = re.compile(r"references non-existent (?:config|secret) key: (\S+)")
_NOT_NON_ROOT = re.compile(r"runAsNonRoot")
_MAX_COMMAND_CHARS = 160
_MAX_NAME_CHARS = 70
"""Of a name inside a remedy: names may have 253 characters, and a remedy is never cut later."""
_OBJECTS = {"secret": "Secret", "configmap": "ConfigMap"}

_PREEMPTION_NOTE = re.compile(
    r"[.,]?\s*(no new claims to deallocate[.,]?\s*)?preemption:.*$", re.DOTALL
)
"""What the scheduler says about preemption repeats its reasons and tells a user nothing."""
_PLACE_REMEDIES = (
    (
        r"persistentvolumeclaim|PersistentVolume|volume node affinity",
        "create or bind the PersistentVolumeClaim where the pod may run",
    ),
    (r"Insufficient ([\w./-]{1,70}\w)", r"lower the pod's \1 request or add nodes with free \1"),
    (r"Too many pods", "add nodes or raise their pod limit"),
    (
        r"node affinity|node selector|affinity/selector|topology spread|pod (anti-)?affinity",
        "correct the pod's nodeSelector, affinity or spread",
    ),
    (r"untolerated taint|had taint", "add a toleration for the taint"),
)
_MOST_REMEDIES = 2

_MOUNT_EVENTS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedMountOnFilesystemMismatch"}
)
_SANDBOX_EVENTS = frozenset(
    {"FailedCreatePodSandBox", "NetworkNotReady", "FailedPrepareDynamicResources"}
)
_PROGRESS_EVENTS = frozenset({"Pulling", "Pulled", "Created", "Started"})
"""Volumes and network are ready by then, and what failed before was overcome."""
_VAGUE = re.compile(r"timed out waiting|context deadline exceeded")


def find(pod: Pod, *, events: Sequence[Event]) -> Finding | None:
    """Return why a container that the task needs cannot start, or None while that is normal.

    What the containers say counts; events say it where they do not, or only that something fails.
    """
    waiting = from_waiting(pod)
    if waiting is not None and not waiting.vague:
        return waiting
    told = from_events(events, namespace=pod.metadata.namespace)
    if told is None or (waiting is not None and waiting.kind is not told.kind):
        return waiting
    return told


def from_waiting(pod: Pod) -> Finding | None:
    """Return what a container that the task needs says of why it cannot start."""
    for status in _needed(pod):
        waiting = status.state.waiting
        if waiting is not None and waiting.reason not in _NORMAL:
            return _waiting(pod, status, waiting)
    return None


def from_schedule(pod: Pod) -> Finding | None:
    """Return why the pod has no node: the scheduler's own sentence, or that it has said nothing."""
    if pod.spec.node_name:
        return None
    for condition in pod.status.conditions:
        if condition.type != "PodScheduled":
            continue
        if condition.status == "True":
            return None
        if condition.reason == "SchedulingGated":
            remedy = "see which controller is to remove the pod's schedulingGates, or drop them"
            return Finding(Kind.UNSCHEDULABLE, f"not scheduled: {condition.message}", remedy)
        message = _PREEMPTION_NOTE.sub("", condition.message)
        facts = f"not scheduled ({quoted(condition.reason or 'no reason', message)})"
        return Finding(Kind.UNSCHEDULABLE, facts, _place_remedy(message))
    who = clip(pod.spec.scheduler_name or "default-scheduler", _MAX_NAME_CHARS)
    facts = f"scheduler {who!r} has not looked at it yet"
    return Finding(Kind.UNSCHEDULABLE, facts, f"check that a scheduler named {who!r} runs")


def from_events(events: Sequence[Event], *, namespace: str) -> Finding | None:
    """Return the latest trouble with volumes, network or image that was not yet overcome."""
    vague: Finding | None = None
    for event in reversed(events):
        if event.reason in _PROGRESS_EVENTS:
            break
        finding = _event(event, namespace=namespace)
        if finding is None:
            continue
        if not finding.vague:
            return finding
        vague = vague or finding
    return vague


def pulling(events: Sequence[Event]) -> str:
    """Return what the latest event says when that is that an image is being pulled."""
    return events[-1].message if events and events[-1].reason == "Pulling" else ""


def read_log(pod: Pod, name: str) -> str:
    """Return the remedy that reads the log of a container of a pod that still exists."""
    where = f"-n {pod.metadata.namespace} {pod.metadata.name} -c {name}"
    if len(where) > _MAX_COMMAND_CHARS:
        return f"read the log of its container {name!r}"
    return f"read its log: kubectl logs {where}"


def _needed(pod: Pod) -> Iterator[ContainerStatus]:
    yield from pod.status.init_container_statuses
    base = state.base_status(pod)
    if base is not None:
        yield base


def _waiting(pod: Pod, status: ContainerStatus, waiting: Waiting) -> Finding:
    who = f"container {status.name}"
    said = quoted(waiting.reason, waiting.message)
    if waiting.reason == "InvalidImageName":
        return Finding(Kind.IMAGE_NAME, f"{who} has an invalid image name ({said})")
    if waiting.reason in _PULL_REASONS:
        container = state.asked(pod, status.name)
        return _pull(who, waiting, image=container.image if container else "")
    if waiting.reason == "CrashLoopBackOff":
        return _crashes(pod, status)
    facts = f"{who} waits ({said})"
    if waiting.reason == "CreateContainerConfigError":
        return Finding(
            Kind.CONFIG_ERROR, facts, _config_remedy(waiting.message, pod.metadata.namespace)
        )
    return Finding(_KIND_BY_REASON.get(waiting.reason, Kind.OTHER), facts)


def _pull(who: str, waiting: Waiting, *, image: str) -> Finding:
    words = _PULL_NOISE.sub("", waiting.message).strip()
    what = f"image {image!r}" if image else "its image"
    how = "keeps failing" if waiting.reason == "ImagePullBackOff" else "failed"
    facts = f"{who} has no image: pulling {what} {how} ({quoted(waiting.reason, words)})"
    return Finding(Kind.IMAGE_PULL, facts, _first(_PULL_REMEDIES, words), vague=not words)


def _crashes(pod: Pod, status: ContainerStatus) -> Finding:
    # Only a sidecar is ever started again: the pod's restartPolicy is Never.
    last = status.last_state.terminated
    how = ending.words(last, name=status.name) if last else f"container {status.name} ended"
    kind = Kind.SIDECAR if state.is_sidecar(pod, status.name) else Kind.OTHER
    facts = f"{how}, {status.restart_count} restarts (CrashLoopBackOff)"
    return Finding(kind, facts, read_log(pod, status.name))


def _event(event: Event, *, namespace: str) -> Finding | None:
    times = f", {event.times} times" if event.times > 1 else ""
    facts = f"{quoted(event.reason, event.message)}{times}"
    if event.reason in _MOUNT_EVENTS:
        remedy = _config_remedy(event.message, namespace)
        vague = _VAGUE.search(event.message) is not None
        return Finding(Kind.MOUNT_FAILED, f"a volume is missing ({facts})", remedy, vague)
    if event.reason in _SANDBOX_EVENTS:
        return Finding(Kind.SANDBOX_FAILED, f"its node cannot set it up ({facts})")
    if event.reason == "InspectFailed":
        return Finding(Kind.IMAGE_NAME, f"a container has an invalid image name ({facts})")
    if event.reason in {"Failed", "BackOff", "ErrImageNeverPull"} and "image" in event.message:
        words = _PULL_NOISE.sub("", event.message).strip()
        if words:
            remedy = _first(_PULL_REMEDIES, words)
            return Finding(Kind.IMAGE_PULL, f"pulling an image failed ({words}{times})", remedy)
    return None


def _config_remedy(message: str, namespace: str) -> str:
    if found := _MISSING_KEY.search(message):
        key, kind, name = (clip(part, _MAX_NAME_CHARS) for part in found.groups())
        return f"add key {key!r} to {kind} {name!r} in namespace {namespace!r}, or correct the key"
    if found := _MISSING_ITEM.search(message):
        key = clip(found.group(1), _MAX_NAME_CHARS)
        return f"add key {key!r} to the Secret or ConfigMap, or correct the volume's items"
    if found := _MISSING_OBJECT.search(message):
        kind, name = _OBJECTS[found.group(1).lower()], clip(found.group(2), _MAX_NAME_CHARS)
        return f"create {kind} {name!r} in namespace {namespace!r}, or correct its name"
    if _NOT_NON_ROOT.search(message):
        return "set securityContext.runAsUser to a number above 0, or use an image with such a user"
    return ""


def _place_remedy(message: str) -> str:
    found = [
        match.expand(remedy)
        for pattern, remedy in _PLACE_REMEDIES
        if (match := re.search(pattern, message))
    ]
    return ", or ".join(found[:_MOST_REMEDIES])


def _first(table: Sequence[tuple[str, str]], text: str) -> str:
    for pattern, remedy in table:
        if re.search(pattern, text, re.IGNORECASE):
            return remedy
    return ""
