"""Judge one pod: may it stay, must it go, and why. Pure: no clock, no I/O, no logging.

Invariants: age alone never condemns a pod. Whoever has no evidence keeps the pod, and evidence is
Airflow's word on the very try, from the Airflow that launched it, seen for longer than the executor
takes to clean up after itself. Somebody's word that the installation is gone replaces Airflow's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tradewind.janitor.evidence import Evidence, Node, Standing
from tradewind.janitor.view import NODE_IS_SILENT, PodView, Stage


class Action(StrEnum):
    """What to do with a pod."""

    KEEP = "keep"
    WAIT = "wait"
    """It will go, unless something changes meanwhile."""
    DELETE = "delete"
    FORCE = "force"
    """Delete without waiting for a kubelet: its node is gone."""
    REPORT = "report"
    """Only a person can help."""


class Reason(StrEnum):
    """Why; a label of metrics, so the set stays small."""

    # Why a pod stays.
    FOREIGN = "foreign"
    OPERATOR_OWNED = "operator-owned"
    KEPT = "kept"
    FRESH = "fresh"
    LEAVING = "leaving"
    IDLE = "idle"
    NO_EVIDENCE = "no-evidence"
    IN_USE = "in-use"
    UNTRUSTED = "untrusted"
    KEPT_FOR_USERS = "kept-for-users"
    # Why a pod goes.
    LEFT_BEHIND = "left-behind"
    SIDECAR = "sidecar"
    NEVER_STARTED = "never-started"
    STILL_RUNNING = "still-running"
    PHASE_UNKNOWN = "phase-unknown"
    KEPT_TOO_LONG = "kept-too-long"
    EXECUTOR_REMOVED = "executor-removed"
    NODE_LOST = "node-lost"
    # Why only a person can help.
    FINALIZER = "finalizer"
    STUCK = "stuck-terminating"


class Removal(StrEnum):
    """What somebody said is gone for good; nothing else tells the janitor so."""

    NOTHING = "nothing"
    EXECUTOR = "executor"
    """Airflow lives on with another executor: idle warm pods have nobody to claim them."""
    INSTALLATION = "installation"
    """Airflow itself is uninstalled, and with it everything that could be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the policy goes by. Times in seconds.

    The defaults stay clear of the executor's own: it deletes an ended pod within 30 s, a running
    one of a finished task within 600 s.
    """

    installation: str = ""
    """Only pods with exactly this label are judged."""
    removed: Removal = Removal.NOTHING
    age_floor_s: float = 300.0
    """A younger pod stays, whatever is said of it."""
    ended_grace_s: float = 120.0
    pending_grace_s: float = 300.0
    running_grace_s: float = 900.0
    """A worker whose task is over still uploads its log."""
    leaving_grace_s: float = 300.0
    """Past its own grace period, before a pod that was asked to go counts as stuck."""
    keeps_ended: bool = False
    """`[tradewind] delete_worker_pods = False`: users look at ended pods."""
    keeps_failed: bool = False
    """`[tradewind] delete_worker_pods_on_failure = False`."""
    kept_ttl_s: float = 86_400.0
    """How long an ended pod is kept for users; 0 is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do with one pod, and why."""

    action: Action
    reason: Reason
    sentence: str
    due_in_s: float = 0.0
    """Of WAIT: after how many seconds the pod goes."""

    @property
    def deletes(self) -> bool:
        """Whether a pod goes now."""
        return self.action in {Action.DELETE, Action.FORCE}


def judge(pod: PodView, evidence: Evidence, *, now_s: float, rules: Rules) -> Verdict:
    """Return the verdict on `pod` at `now_s`, on the clock of the API server."""
    untouchable = _untouchable(pod, rules)
    if untouchable is not None:
        return untouchable
    if pod.leaves_s is not None:
        return _leaving(pod, evidence, overdue_s=now_s - pod.leaves_s, rules=rules)
    if is_fresh(pod, now_s=now_s, rules=rules):
        return _keep(Reason.FRESH, f"younger than {rules.age_floor_s:.0f} s")
    if pod.is_idle or rules.removed is Removal.INSTALLATION:
        return _without_asking(pod, rules)
    return _doubt(evidence) or _orphan(pod, evidence, now_s=now_s, rules=rules)


def wants_evidence(pod: PodView, *, now_s: float, rules: Rules) -> bool:
    """Whether Airflow's word could change what `judge` says; others are not asked about."""
    if rules.removed is Removal.INSTALLATION or not pod.runs_task or pod.task is None:
        return False
    if pod.is_idle or _untouchable(pod, rules) is not None:
        return False
    if pod.leaves_s is not None:
        return now_s - pod.leaves_s >= rules.leaving_grace_s
    return not is_fresh(pod, now_s=now_s, rules=rules)


def is_fresh(pod: PodView, *, now_s: float, rules: Rules) -> bool:
    """Whether the pod is too young to be judged; one that does not tell its age is."""
    return pod.launched_s is None or now_s - pod.launched_s < rules.age_floor_s


def _untouchable(pod: PodView, rules: Rules) -> Verdict | None:
    """Return why the pod is none of our business, or None."""
    if pod.installation != rules.installation or not (pod.launch_id or pod.pool):
        return _keep(Reason.FOREIGN, "not launched by this installation's executor")
    if pod.is_operators or pod.owner:
        owner = pod.owner or "KubernetesPodOperator"
        return _keep(Reason.OPERATOR_OWNED, f"belongs to a {owner}, which deletes it")
    if pod.is_kept:
        return _keep(Reason.KEPT, "its annotation tradewind/keep asks for it")
    return None


def _leaving(pod: PodView, evidence: Evidence, *, overdue_s: float, rules: Rules) -> Verdict:
    """Judge a pod that was asked to go and is still there."""
    if overdue_s < rules.leaving_grace_s:
        return _keep(Reason.LEAVING, "was asked to go")
    if pod.finalizers:
        names = ", ".join(pod.finalizers)
        return _report(
            Reason.FINALIZER,
            f"ought to be gone since {overdue_s:.0f} s and is held by {names}: see to whoever "
            "set the finalizer, or remove it by hand",
        )
    stuck = f"ought to be gone since {overdue_s:.0f} s"
    if evidence.node not in {Node.GONE, Node.OUT_OF_SERVICE}:
        return _report(
            Reason.STUCK,
            f"{stuck}, but node {pod.node or '(none)'} does not confirm: bring the node back, "
            "delete it, or taint it node.kubernetes.io/out-of-service",
        )
    if rules.removed is not Removal.INSTALLATION:
        doubt = _doubt(evidence)
        if doubt is not None:
            return doubt
    return Verdict(
        action=Action.FORCE,
        reason=Reason.NODE_LOST,
        sentence=f"{stuck} and node {pod.node} is {evidence.node}: "
        f"{evidence.said or 'its Airflow was removed'}",
    )


def _without_asking(pod: PodView, rules: Rules) -> Verdict:
    """Judge a pod that Airflow cannot tell about: nobody claimed it, or nobody is left to ask."""
    if rules.removed is Removal.INSTALLATION:
        return _delete(Reason.EXECUTOR_REMOVED, "its Airflow was removed")
    if rules.removed is Removal.EXECUTOR:
        return _delete(Reason.EXECUTOR_REMOVED, f"pool {pod.pool!r} has no executor any more")
    return _keep(Reason.IDLE, "an idle pod of a warm pool belongs to the executor")


def _doubt(evidence: Evidence) -> Verdict | None:
    """Return why what Airflow said is no evidence against the pod, or None when it is."""
    match evidence.standing:
        case Standing.UNKNOWN:
            return _keep(Reason.NO_EVIDENCE, evidence.said or "Airflow has not told about its try")
        case Standing.LIVE:
            return _keep(Reason.IN_USE, evidence.said)
        case _ if not evidence.is_trusted:
            return _keep(
                Reason.UNTRUSTED,
                f"{evidence.said}, but no pod proves yet that this is the right Airflow",
            )
        case _:
            return None


def _orphan(pod: PodView, evidence: Evidence, *, now_s: float, rules: Rules) -> Verdict:
    """Judge a pod whose try is over by what it still does, and for how long it was over."""
    reason, grace_s, facts = _what_it_does(pod, rules)
    if pod.stage.has_ended and _is_for_users(pod, rules):
        reason, facts = Reason.KEPT_TOO_LONG, "was kept for users"
        kept_s = evidence.lasted_s if pod.ended_s is None else now_s - pod.ended_s
        left_s = rules.kept_ttl_s - kept_s
        if not rules.kept_ttl_s or left_s > 0:
            return _keep(Reason.KEPT_FOR_USERS, "ended pods are kept for users")
    sentence = f"{facts}: {evidence.said}"
    wait_s = grace_s - evidence.lasted_s
    if wait_s > 0:
        return Verdict(action=Action.WAIT, reason=reason, sentence=sentence, due_in_s=wait_s)
    return _delete(reason, sentence)


def _what_it_does(pod: PodView, rules: Rules) -> tuple[Reason, float, str]:
    """Return what the pod of a try that is over still does, and for how long that is right."""
    match pod.stage:
        case Stage.SUCCEEDED | Stage.FAILED if pod.is_held_by_sidecar:
            return Reason.SIDECAR, rules.ended_grace_s, "its sidecar outlives the task"
        case Stage.SUCCEEDED | Stage.FAILED:
            return Reason.LEFT_BEHIND, rules.ended_grace_s, "ended and was left behind"
        case _ if pod.phase == NODE_IS_SILENT:
            return Reason.PHASE_UNKNOWN, rules.running_grace_s, "its node tells nothing of it"
        case Stage.PENDING:
            return Reason.NEVER_STARTED, rules.pending_grace_s, "never started"
        case _:
            return Reason.STILL_RUNNING, rules.running_grace_s, "still runs"


def _is_for_users(pod: PodView, rules: Rules) -> bool:
    kept = pod.stage is Stage.FAILED and rules.keeps_failed
    return kept or rules.keeps_ended


def _keep(reason: Reason, sentence: str) -> Verdict:
    return Verdict(action=Action.KEEP, reason=reason, sentence=sentence)


def _delete(reason: Reason, sentence: str) -> Verdict:
    return Verdict(action=Action.DELETE, reason=reason, sentence=sentence)


def _report(reason: Reason, sentence: str) -> Verdict:
    return Verdict(action=Action.REPORT, reason=reason, sentence=sentence)
