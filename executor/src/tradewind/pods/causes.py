"""The closed set of causes for which a task's pod ends or does not start. Pure data.

`Kind` is the metric label and the row of docs/failure-reasons.md, which a test holds to this table.
A `Finding` is what one piece of evidence says; a `Cause` is the sentence a user reads. Every
sentence ends with a remedy: long facts are clipped, the remedy never is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tradewind.client.models import Pod

MAX_CHARS = 500
_MAX_NAME_CHARS = 130
"""Our own names are shorter; pods adopted from another executor may be called anything."""
_MAX_SUBJECT_CHARS = 210
_LEAST_FACTS_CHARS = 100


class Kind(StrEnum):
    """One word per cause, stable: dashboards and alerts are built on them."""

    OOM_KILLED = "oom_killed"
    EXIT_CODE = "exit_code"
    SIGNAL = "signal"
    NO_RESULT = "no_result"
    NOT_STARTED = "not_started"
    SUPERSEDED = "superseded"
    DEADLINE = "deadline"
    STORAGE_LIMIT = "storage_limit"
    EVICTED = "evicted"
    PREEMPTED = "preempted"
    DISRUPTED = "disrupted"
    NODE_LOST = "node_lost"
    NODE_SHUTDOWN = "node_shutdown"
    NODE_REFUSED = "node_refused"
    NODE_SILENT = "node_silent"
    DELETED = "deleted"
    IMAGE_PULL = "image_pull"
    IMAGE_NAME = "image_name"
    CONFIG_ERROR = "config_error"
    CREATE_ERROR = "create_error"
    START_ERROR = "start_error"
    MOUNT_FAILED = "mount_failed"
    SANDBOX_FAILED = "sandbox_failed"
    UNSCHEDULABLE = "unschedulable"
    INIT_CONTAINER = "init_container"
    SIDECAR = "sidecar"
    SLOW_START = "slow_start"
    QUOTA = "quota"
    ADMISSION_DENIED = "admission_denied"
    FORBIDDEN = "forbidden"
    INVALID_POD = "invalid_pod"
    API_UNAVAILABLE = "api_unavailable"
    OTHER = "other"
    NO_REASON = "no_reason"


@dataclass(frozen=True, slots=True)
class About:
    """What is true of every cause of one kind."""

    meaning: str
    remedy: str
    """What a user does about it, unless the evidence allows to say it more exactly."""
    infrastructure: bool = False
    """Not the task's code and not how its pod was asked for: a new pod may well fare better."""


ABOUT: dict[Kind, About] = {
    Kind.OOM_KILLED: About(
        "A container used more memory than its limit, or the node ran out of memory.",
        "raise the task's memory limit or let it hold less data in memory at once",
    ),
    Kind.EXIT_CODE: About(
        "The task's process ended with an exit code before it reported a result.",
        "read the end of the task's log; an empty one means that the worker could not even begin",
    ),
    Kind.SIGNAL: About(
        "The task's process was ended by a signal that is not the memory limit's.",
        "see what sends the signal: a kill from outside, a full node or a crash in native code",
    ),
    Kind.NO_RESULT: About(
        "The task's process ended with exit code 0, but no result of the task arrived.",
        "read the end of the task's log and see whether the pod could reach Airflow's API server",
    ),
    Kind.NOT_STARTED: About(
        "The worker could not get or start its task; none of the task's code ran.",
        "run `airflow tradewind doctor`, and see whether the pod could reach Airflow's API server",
        infrastructure=True,
    ),
    Kind.SUPERSEDED: About(
        "The task was another pod's or a later try's when the pod asked for it; it ran nothing.",
        "look for what took the task over: it was cleared, marked, or runs in another pod",
    ),
    Kind.DEADLINE: About(
        "The pod outlived its `activeDeadlineSeconds`.",
        "raise the task's execution_timeout or the pod's activeDeadlineSeconds, or make it faster",
    ),
    Kind.STORAGE_LIMIT: About(
        "The pod wrote more to local disk than its ephemeral-storage or emptyDir limit allows.",
        "raise the ephemeral-storage limit or the emptyDir's sizeLimit, or write less to disk",
    ),
    Kind.EVICTED: About(
        "The kubelet evicted the pod because its node was short of memory, disk or process ids.",
        "request as much of the scarce resource as the task uses, so that others are evicted first",
        infrastructure=True,
    ),
    Kind.PREEMPTED: About(
        "The pod had to make room for one of higher priority.",
        "give the task a PriorityClass that is not preempted, or retries, or add nodes",
        infrastructure=True,
    ),
    Kind.DISRUPTED: About(
        "The pod was evicted on request, as node drains and cluster autoscalers do.",
        "give the task retries, or keep drains away with a PodDisruptionBudget or the "
        "autoscaler's safe-to-evict annotation",
        infrastructure=True,
    ),
    Kind.NODE_LOST: About(
        "The node stopped answering, was tainted or removed, or lost track of the container.",
        "give the task retries; if nodes are lost often, ask the cluster's administrators why",
        infrastructure=True,
    ),
    Kind.NODE_SHUTDOWN: About(
        "The node was shut down with the pod on it.",
        "give the task retries, or keep it off spot and short-lived nodes with a nodeSelector",
        infrastructure=True,
    ),
    Kind.NODE_REFUSED: About(
        "The node refused the pod that the scheduler had placed there.",
        "let it be placed again; if that node refuses often, compare its free resources and "
        "labels with what the pod asks for",
        infrastructure=True,
    ),
    Kind.NODE_SILENT: About(
        "The pod was placed on a node whose kubelet never reported on it.",
        "let it be placed again; see whether that node is Ready (kubectl get nodes)",
        infrastructure=True,
    ),
    Kind.DELETED: About(
        "Somebody or something deleted the pod before its task had ended.",
        "look for a person, a clean-up job or another controller that deletes pods; the API "
        "server's audit log names it",
        infrastructure=True,
    ),
    Kind.IMAGE_PULL: About(
        "A node could not pull an image.",
        "check the image's name and tag, imagePullSecrets and the nodes' way to the registry",
        infrastructure=True,
    ),
    Kind.IMAGE_NAME: About(
        "An image's name is not valid, so that no node can ever pull it.",
        "correct the image: lower case, registry/repository:tag, no spaces",
    ),
    Kind.CONFIG_ERROR: About(
        "A container cannot be created as asked: a Secret, a ConfigMap, a key or a user is wrong.",
        "create what is missing in the pod's namespace or correct the pod template or pod_override",
    ),
    Kind.CREATE_ERROR: About(
        "The container runtime of the node could not create a container.",
        "let it be tried on another node; if it repeats, correct the container in the pod template",
        infrastructure=True,
    ),
    Kind.START_ERROR: About(
        "A container was created, but its command could not be started.",
        "check command and args against the image: it must hold Airflow and that program",
    ),
    Kind.MOUNT_FAILED: About(
        "A volume could not be attached or mounted.",
        "check that the volume's Secret, ConfigMap or claim exists and fits that node",
        infrastructure=True,
    ),
    Kind.SANDBOX_FAILED: About(
        "The node could not set up the pod itself, most often its network.",
        "let it be placed again; if that node repeats it, check its network plugin and free IPs",
        infrastructure=True,
    ),
    Kind.UNSCHEDULABLE: About(
        "No node takes the pod.",
        "compare the pod's requests, nodeSelector, affinity and tolerations with the nodes",
        infrastructure=True,
    ),
    Kind.INIT_CONTAINER: About(
        "A container that prepares the pod failed or takes long; the task's code never ran.",
        "read that container's log (kubectl logs POD -c NAME) and correct it in the pod template",
        infrastructure=True,
    ),
    Kind.SIDECAR: About(
        "A sidecar that must run before the task's container does not.",
        "read the sidecar's log (kubectl logs POD -c NAME) and correct it in the pod template",
    ),
    Kind.SLOW_START: About(
        "The pod's containers are being created for long, and nothing says why.",
        "look at the pod's events (kubectl describe pod) and at how busy its node is",
        infrastructure=True,
    ),
    Kind.QUOTA: About(
        "A ResourceQuota of the namespace leaves no room for the pod.",
        "raise the quota, lower the task's requests or limits, or run fewer tasks at once",
        infrastructure=True,
    ),
    Kind.ADMISSION_DENIED: About(
        "An admission policy, a LimitRange or a webhook refused the pod.",
        "change the pod template or pod_override as the policy says, or have the policy changed",
    ),
    Kind.FORBIDDEN: About(
        "The scheduler may not create pods in that namespace.",
        "give the scheduler's ServiceAccount the Role of the chart in that namespace",
    ),
    Kind.INVALID_POD: About(
        "The API server does not accept the pod as a pod.",
        "correct the named field in the pod template or pod_override",
    ),
    Kind.API_UNAVAILABLE: About(
        "The API server did not take the pod for longer than the launch may last.",
        "check the API server and the scheduler's way to it, then run the task again",
        infrastructure=True,
    ),
    Kind.OTHER: About(
        "The cluster gives a reason that is none of the others.",
        "look the reason up in the documentation of the component that gave it",
    ),
    Kind.NO_REASON: About(
        "The pod failed and nothing says why.",
        "look at the pod's events and at its node's kubelet log around that time",
        infrastructure=True,
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one piece of evidence says, before it is addressed to anybody."""

    kind: Kind
    facts: str
    remedy: str = ""
    """Empty for the remedy of the kind."""
    vague: bool = False
    """Something is wrong, but this evidence does not say why; the pod's events may."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a pod ended, or does not start."""

    kind: Kind
    sentence: str
    """What happened with which values, then what to do: at most `MAX_CHARS` characters."""

    @property
    def infrastructure(self) -> bool:
        """Whether a new pod may fare better with nothing changed by anybody."""
        return ABOUT[self.kind].infrastructure


def tell(pod: Pod, finding: Finding, *, lead: str = "") -> Cause:
    """Return the cause with its sentence about that pod; `lead` stands before the facts."""
    name = clip(f"{pod.metadata.namespace}/{pod.metadata.name}", _MAX_NAME_CHARS)
    return say(f"pod {name}{lead}", finding)


def say(subject: str, finding: Finding) -> Cause:
    """Return the cause with a sentence of subject, as many facts as fit, and the whole remedy."""
    remedy = finding.remedy or ABOUT[finding.kind].remedy
    subject = clip(subject, _MAX_SUBJECT_CHARS)
    room = MAX_CHARS - len(subject) - len(remedy) - len(": ; ")
    facts = clip(finding.facts, max(room, _LEAST_FACTS_CHARS))
    return Cause(kind=finding.kind, sentence=f"{subject}: {facts}; {remedy}")


def clip(text: str, limit: int) -> str:
    """Return the text on one line, without a closing mark, cut to `limit` characters."""
    line = " ".join(text.split()).rstrip(" .,;:")
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def tail(text: str, limit: int) -> str:
    """Return the text on one line, cut to its last `limit` characters: there a traceback ends."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"…{line[1 - limit :].lstrip()}"


def quoted(reason: str, message: str) -> str:
    """Return a reason with the words that came with it, if any."""
    return f"{reason}: {message.strip().rstrip('.,;:')}".strip(": ")
