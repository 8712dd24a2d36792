"""One pass over all pods: ask, judge, look again, delete. Loop thread only.

Nothing is deleted on what is remembered: a pod that is to go is read anew from the API server, its
try is asked anew of Airflow, and it goes only if the verdict is still the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from tradewind import metrics
from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.clock import Clock
from tradewind.janitor import policy, view
from tradewind.janitor.airflow_api import EvidenceError
from tradewind.janitor.evidence import Evidence, Node
from tradewind.janitor.inquiry import Inquiry
from tradewind.janitor.kube import Kube
from tradewind.janitor.policy import Action, Reason, Removal, Rules, Verdict
from tradewind.janitor.view import PodView
from tradewind.metrics import Metrics

_MOST_FAILURES = 3
"""Deletes in a row that fail before the sweep gives up on the API server."""
_CONFLICT = 409


class Outcome(StrEnum):
    """What became of a verdict; a label of metrics."""

    STAYS = "stays"
    DELETED = "deleted"
    DRY_RUN = "dry-run"
    CAPPED = "capped"
    """Enough pods went in this sweep; it is the next one's turn."""
    CHANGED = "changed"
    """The pod changed or went while we looked."""
    UNCONFIRMED = "unconfirmed"
    """The second look did not confirm the verdict, or could not be had."""
    FAILED = "failed"
    """The API server refused, or did not answer."""
    STANDBY = "standby"
    """Another janitor writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One pod and what was decided about it."""

    pod: PodView
    verdict: Verdict
    outcome: Outcome = Outcome.STAYS
    error: str = ""


@dataclass(slots=True, kw_only=True)
class Report:
    """What one sweep found and did."""

    findings: list[Finding] = field(default_factory=list)
    """Only pods that go, wait or need a person; healthy ones are counted in `reasons`."""
    reasons: Counter[Reason] = field(default_factory=Counter)
    failure: str = ""
    """Why nothing was deleted although there was reason to look; empty when all went well."""
    questions: int = 0

    def count(self, outcome: Outcome) -> int:
        """Return how many findings ended so."""
        return sum(1 for finding in self.findings if finding.outcome is outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a sweep may go."""

    dry_run: bool = True
    most_deletions: int = 50
    reads_nodes: bool = False
    """Whether nodes may be asked for; without them no stuck pod is forced."""


class Recorder(Protocol):
    """Told about every deletion before it happens and after, and about pods that need a person."""

    async def before(self, pod: Pod, verdict: Verdict) -> str:
        """Save what will be lost with the pod; return its last log lines."""
        ...

    async def deleted(self, pod: Pod, verdict: Verdict, *, log_tail: str) -> None:
        """Tell that the pod was deleted."""
        ...

    async def found(self, finding: Finding) -> None:
        """Tell about a pod that is not deleted although something is the matter."""
        ...


class Sweep:
    """Everything one pass needs; a new pass is a new `run`."""

    def __init__(
        self,
        *,
        kube: Kube,
        inquiry: Inquiry | None,
        rules: Rules,
        recorder: Recorder,
        clock: Clock,
        measured: Metrics,
        may_write: Callable[[], bool],
        limits: Limits,
    ) -> None:
        """`inquiry` is None only where an installation was removed and nobody is left to ask."""
        self._kube = kube
        self._inquiry = inquiry
        self._rules = rules
        self._recorder = recorder
        self._clock = clock
        self._metrics = measured
        self._may_write = may_write
        self._limits = limits
        self.tells_all = False
        """Whether reports also list the pods that stay."""
        self._nodes: dict[str, Node] = {}

    async def run(self, pods: Iterable[PodView]) -> Report:
        """Judge all pods and delete those that have to go."""
        pods = list(pods)
        report = Report()
        self._nodes.clear()
        evidence = await self._evidence(pods, report)
        now_s = self.now_s()
        due: list[Finding] = []
        for pod in pods:
            told = evidence.get(pod.uid, Evidence())
            if pod.leaves_s is not None:
                told = await self._with_node(pod, told)
            verdict = policy.judge(pod, told, now_s=now_s, rules=self._rules)
            report.reasons[verdict.reason] += 1
            finding = Finding(pod=pod, verdict=verdict)
            if verdict.deletes:
                due.append(finding)
            elif self.tells_all or verdict.action is not Action.KEEP:
                report.findings.append(finding)
        await self._act(due, report)
        for finding in report.findings:
            if finding.outcome is not Outcome.DELETED:
                await self._recorder.found(finding)
        self._measure(report)
        return report

    def now_s(self) -> float:
        """Return the time on the API server's clock, which dates everything about pods."""
        return self._clock.utc_s() - (self._kube.clock_skew_s or 0.0)

    async def _evidence(self, pods: Sequence[PodView], report: Report) -> dict[str, Evidence]:
        if self._inquiry is None:
            return {}
        now_s = self.now_s()
        asked = [pod for pod in pods if policy.wants_evidence(pod, now_s=now_s, rules=self._rules)]
        young = [pod for pod in pods if policy.is_fresh(pod, now_s=now_s, rules=self._rules)]
        answers = await self._inquiry.ask(asked, vouchers=young)
        report.questions = answers.questions
        if answers.failure is not None:
            self._note_failure(answers.failure, report)
            return {}
        for error in answers.odd:
            self._metrics.count(metrics.JANITOR_EVIDENCE_ERRORS, kind=error.kind)
        return answers.evidence

    async def _with_node(self, pod: PodView, told: Evidence) -> Evidence:
        """Return the evidence with how the node of a pod stands that ought to be gone."""
        if not self._limits.reads_nodes:
            return told
        if pod.node not in self._nodes:
            try:
                self._nodes[pod.node] = await self._kube.node(pod.node)
            except ClusterError:
                self._nodes[pod.node] = Node.UNKNOWN
        return replace(told, node=self._nodes[pod.node])

    async def _act(self, due: Sequence[Finding], report: Report) -> None:
        """Delete, oldest launch first, until enough went or something is wrong."""
        deleted = failures = 0
        for finding in sorted(due, key=lambda finding: finding.pod.launched_s or 0.0):
            done = await self._step(
                finding, report, is_capped=deleted >= self._limits.most_deletions
            )
            deleted += done.outcome is Outcome.DELETED
            failures = failures + 1 if done.outcome is Outcome.FAILED else 0
            if failures >= _MOST_FAILURES:
                report.failure = report.failure or f"deletes fail: {done.error}"
            report.findings.append(done)

    async def _step(self, finding: Finding, report: Report, *, is_capped: bool) -> Finding:
        """Return the finding with what became of it."""
        hindrance = self._hindrance(report, is_capped=is_capped)
        if hindrance is not None:
            return replace(finding, outcome=hindrance, error=report.failure)
        try:
            return await self._delete(finding)
        except EvidenceError as error:
            if not error.about_one:
                self._note_failure(error, report)
            return replace(finding, outcome=Outcome.UNCONFIRMED, error=str(error))
        except ClusterError as error:
            changed = isinstance(error, ApiError) and (
                error.is_not_found or error.status == _CONFLICT
            )
            outcome = Outcome.CHANGED if changed else Outcome.FAILED
            return replace(finding, outcome=outcome, error=str(error))

    def _hindrance(self, report: Report, *, is_capped: bool) -> Outcome | None:
        """Return why no pod may go at the moment, or None."""
        if self._limits.dry_run:
            return Outcome.DRY_RUN
        if report.failure:
            return Outcome.UNCONFIRMED
        if is_capped:
            return Outcome.CAPPED
        return None if self._may_write() else Outcome.STANDBY

    async def _delete(self, finding: Finding) -> Finding:
        """Look again and, if nothing changed, delete."""
        raw = await self._kube.get_pod(finding.pod.namespace, finding.pod.name)
        pod = view.of(raw)
        if pod.uid != finding.pod.uid:
            return replace(finding, outcome=Outcome.CHANGED, error="another pod has its name now")
        told = Evidence()
        if self._inquiry is not None:
            told = await self._inquiry.ask_again(pod)
        if pod.leaves_s is not None:
            told = await self._with_node(pod, told)
        verdict = policy.judge(pod, told, now_s=self.now_s(), rules=self._rules)
        if not verdict.deletes:
            return replace(finding, outcome=Outcome.UNCONFIRMED, error=verdict.sentence)
        tail = await self._recorder.before(raw, verdict)
        if not self._may_write():
            return replace(finding, outcome=Outcome.STANDBY)
        await self._kube.delete(pod, force=verdict.action is Action.FORCE)
        await self._recorder.deleted(raw, verdict, log_tail=tail)
        return Finding(pod=pod, verdict=verdict, outcome=Outcome.DELETED)

    def _measure(self, report: Report) -> None:
        for reason in Reason:
            self._metrics.gauge(metrics.JANITOR_PODS, report.reasons[reason], reason=reason)
        for finding in report.findings:
            if finding.outcome is not Outcome.STAYS:
                self._metrics.count(
                    metrics.JANITOR_DELETIONS,
                    reason=finding.verdict.reason,
                    outcome=finding.outcome,
                )

    def _note_failure(self, error: EvidenceError, report: Report) -> None:
        self._metrics.count(metrics.JANITOR_EVIDENCE_ERRORS, kind=error.kind)
        if self._rules.removed is not Removal.INSTALLATION:
            report.failure = str(error)
