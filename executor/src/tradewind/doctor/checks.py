"""From a fact to a finding: server, clock, task pod, Airflow's settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tradewind.client.errors import ApiError, ClusterError, CredentialError
from tradewind.client.transport import MOST_SKEW_S
from tradewind.doctor.findings import Finding, fail, ok, warn

OLDEST_KUBERNETES = (1, 30)
NEWEST_KUBERNETES = (1, 36)
OLDEST_AIRFLOW = (3, 3, 2)
TESTED_AIRFLOW = (3, 3)
EXECUTOR = "tradewind.executor.TradewindExecutor"

SERVER = "API server"
CLOCK = "clock"
TASK_POD = "task pod"
AIRFLOW = "Airflow"
TIMEOUTS = "timeouts"
UPSTREAM = "settings of upstream"

_STEADY_S = 3.0
"""A Date header counts whole seconds and is as old as its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowFacts:
    """What is known of the Airflow that we run in."""

    version: str
    executor: str
    """`[core] executor` as written: executors of all teams, with aliases."""
    task_queued_timeout_s: float
    unread: tuple[str, ...] = ()
    """A sentence for each option of upstream's section that is set and changes nothing."""


def unreachable(error: ClusterError) -> Finding:
    """Judge a server that gave no version."""
    if isinstance(error, CredentialError):
        remedy = "mend the file or plugin that the sentence names"
    elif isinstance(error, ApiError) and error.status in {401, 403}:
        remedy = "check the ServiceAccount, or the user of the kubeconfig's context"
    elif isinstance(error, ApiError):
        remedy = "check that the address is the API server's own, without a proxy in between"
    else:
        remedy = "check in_cluster, config_file and cluster_context in [tradewind], and the network"
    return fail(SERVER, str(error), remedy)


def kubernetes_version(text: str) -> Finding:
    """Judge the server's version, such as `v1.36.3` or `v1.32.1-eks-abc`."""
    numbers = _numbers(text)[:2]
    said = f"answers, version {text}"
    span = "{}.{} to {}.{}".format(*OLDEST_KUBERNETES, *NEWEST_KUBERNETES)
    if numbers < OLDEST_KUBERNETES:
        return fail(SERVER, f"{said}; tested are {span}", "upgrade the cluster")
    if numbers > NEWEST_KUBERNETES:
        return warn(SERVER, f"{said}; tested are {span}", "look for a newer airflow-tradewind")
    return ok(SERVER, said)


def clock(skew_s: float | None) -> Finding:
    """Judge how far our clock is ahead of the server's."""
    if skew_s is None:
        return ok(CLOCK, "the API server does not tell its time")
    word = "ahead of" if skew_s > 0 else "behind"
    said = f"this host is {abs(skew_s):.0f} s {word} the API server"
    remedy = "synchronise the clocks of all nodes, for instance with chrony"
    if abs(skew_s) > MOST_SKEW_S:
        return fail(CLOCK, f"{said}: tokens are refused as not yet valid or expired", remedy)
    if abs(skew_s) > _STEADY_S:
        return warn(CLOCK, said, remedy)
    return ok(CLOCK, f"agrees with the API server's within {_STEADY_S:.0f} s")


def accepted(namespace: str) -> Finding:
    """Judge a pod that the server would take."""
    return ok(TASK_POD, f"the API server would take it in namespace {namespace!r}")


def loosely_accepted(error: ApiError, namespace: str) -> Finding:
    """Judge a pod with fields the server does not know, which it would silently leave out."""
    said = f"namespace {namespace!r} would take it without some fields: {error.message}"
    return warn(TASK_POD, said, "correct the spelling or place of these fields in the pod template")


def refused(error: ClusterError, namespace: str) -> Finding:
    """Judge a pod that the server would not take."""
    return fail(TASK_POD, f"refused in namespace {namespace!r}: {error}", _pod_remedy(error))


def _pod_remedy(error: ClusterError) -> str:
    if not isinstance(error, ApiError):
        return "repeat when the API server answers"
    message = error.message
    rows = (
        ("violates PodSecurity", "set the securityContext that the sentence asks for"),
        ("exceeded quota", "raise the quota, or wait until pods end"),
        ("failed quota", "set the resources that the sentence asks for in the pod template"),
        ("LimitRange", "set resources within the LimitRange in the pod template"),
        ("error looking up service account", "create it, or correct serviceAccountName"),
        ("no PriorityClass", "create it, or correct priorityClassName"),
        ("admission webhook", "ask who runs that webhook what it demands"),
        ("namespaces", "create the namespace, or correct [tradewind] namespace"),
        ("cannot create resource", "see the permissions above"),
    )
    for words, remedy in rows:
        if words in message:
            return remedy
    return "correct the field that the sentence names in the pod template"


def airflow(facts: AirflowFacts) -> list[Finding]:
    """Judge Airflow's version and executor."""
    numbers = _numbers(facts.version)
    said = f"version {facts.version}"
    oldest, tested = (".".join(map(str, numbers)) for numbers in (OLDEST_AIRFLOW, TESTED_AIRFLOW))
    if numbers < OLDEST_AIRFLOW:
        version = fail(AIRFLOW, said, f"upgrade to {oldest} or newer")
    elif numbers[:2] > TESTED_AIRFLOW:
        version = warn(AIRFLOW, f"{said}; tested is {tested}", "look for a newer airflow-tradewind")
    else:
        version = ok(AIRFLOW, said)
    return [version, _executor(facts.executor)]


def _executor(text: str) -> Finding:
    # `alias:path`, several by comma, teams as `A;team=B,C`.
    names = [name.strip().rpartition(":")[2] for name in re.split(r"[,;=]", text)]
    if EXECUTOR in names:
        return ok(AIRFLOW, f"[core] executor is {text}")
    return fail(
        AIRFLOW, f"[core] executor is {text!r}, so no task comes here", f"set it to {EXECUTOR}"
    )


def timeouts(*, task_queued_timeout_s: float, launch_budget_s: float) -> Finding:
    """Judge whether a launch that waits is given up by us, with a reason, or by the scheduler."""
    said = (
        f"[scheduler] task_queued_timeout is {task_queued_timeout_s:.0f} s, "
        f"[tradewind] launch_budget {launch_budget_s:.0f} s"
    )
    if task_queued_timeout_s > launch_budget_s:
        return ok(TIMEOUTS, said)
    return warn(
        TIMEOUTS,
        f"{said}: the scheduler takes a waiting task back before its pod is given up",
        "set task_queued_timeout above launch_budget, so that the task fails with the true reason",
    )


def unread(sentences: Sequence[str]) -> list[Finding]:
    """Tell of settings that a deployment took along and that change nothing here."""
    remedy = "see whether what is there suffices, then take the option out"
    return [warn(UPSTREAM, sentence, remedy) for sentence in sentences]


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: `v1.32.1-eks` gives (1, 32, 1)."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
