"""Ask Airflow about pods: a bounded number of questions a sweep, the doubtful ones first.

Remembers per pod since when a standing was seen without a break; a sweep that gets no answer leaves
that alone, for Airflow's silence takes nothing back. Loop thread only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tradewind.janitor import evidence
from tradewind.janitor.airflow_api import EvidenceError, Witness
from tradewind.janitor.evidence import Evidence, Row, Standing
from tradewind.janitor.view import PodView
from tradewind.pods.labels import TaskRef

_ASK_AGAIN_S = 300.0
"""A pod that runs and whose try lived is asked about no more often than this."""
_AT_ONCE = 50
_MOST_QUESTIONS = 200
_MOST_SECONDS = 30.0
"""A slow Airflow is asked less in one sweep, and the rest in the next."""
_CALM_SECONDS = 1.0
"""As long pods are asked about that run and whose tries nothing is known against: thousands at once
would hold up the sweep and Airflow with it."""
_NAME = re.compile(r"[\w.-]{1,250}")
_RUN = re.compile(r"[^/\\?#\x00-\x1f]{1,250}")
_DOTS = frozenset({".", ".."})


@dataclass(slots=True)
class _Seen:
    """What was last heard of one pod. Times on our monotonic clock, which nobody sets."""

    standing: Standing
    said: str
    since_s: float
    since_in: int
    """Number of the round in which this standing was first heard."""
    asked_s: float
    asked_in: int
    vouched: bool


@dataclass(slots=True)
class Answers:
    """What one round of questions brought."""

    evidence: dict[str, Evidence] = field(default_factory=dict)
    """By uid; pods that are missing here were not answered about."""
    failure: EvidenceError | None = None
    """Why Airflow could not be asked on: nothing may be deleted in this sweep."""
    odd: list[EvidenceError] = field(default_factory=list)
    """Answers that concern one task each."""
    questions: int = 0

    def about(self, pod: PodView) -> Evidence:
        """Return the evidence on a pod."""
        return self.evidence.get(pod.uid, evidence.UNKNOWN)


class Inquiry:
    """Asks one Airflow on behalf of all sweeps of this process."""

    def __init__(self, witness: Witness, *, monotonic_s: Callable[[], float]) -> None:
        self._witness = witness
        self._monotonic_s = monotonic_s
        self._seen: dict[str, _Seen] = {}
        self._round = 0
        self._vouched_in = -1
        """The last round in which a pod's row id was met there: it was our pods' Airflow then.

        What it said before proves nothing about now, for an address can lead elsewhere overnight.
        """

    async def ask(self, pods: Iterable[PodView], *, vouchers: Sequence[PodView] = ()) -> Answers:
        """Ask about `pods`, of which only those that need evidence should be given.

        Some `vouchers`, pods that are in no danger, are asked about only to learn whether this is
        the right Airflow.
        """
        pods = list(pods)
        self._forget_all_but((*pods, *vouchers))
        answers = Answers()
        self._round += 1
        now_s = self._monotonic_s()
        until_s = now_s + _MOST_SECONDS
        try:
            doubtful, calm = self._due(pods, now_s)
            await self._ask_about_all(doubtful, answers, until_s=until_s)
            calm_until_s = min(until_s, self._monotonic_s() + _CALM_SECONDS)
            await self._ask_about_all(calm, answers, until_s=calm_until_s)
            if self._wants_voucher(pods):
                await self._ask_vouchers(vouchers, answers)
        except EvidenceError as error:
            answers.failure = error
        for pod in pods:
            seen = self._seen.get(pod.uid)
            # What is older than this round's answers counts only while it speaks for the pod.
            if seen and (seen.asked_in == self._round or seen.standing is Standing.LIVE):
                answers.evidence[pod.uid] = self._evidence(seen, now_s)
        return answers

    async def ask_again(self, pod: PodView) -> Evidence:
        """Return evidence as of now on one pod that is about to go.

        Raises:
            EvidenceError: there is no answer.

        """
        task = _askable(pod)
        if task is None:
            return evidence.UNKNOWN
        row = await self._witness.row(task)
        return self._evidence(self._note(pod, row), self._monotonic_s())

    def _due(self, pods: Sequence[PodView], now_s: float) -> tuple[list[PodView], list[PodView]]:
        """Return the pods to ask about, in doubt or calm, each longest unheard of first."""
        doubtful: list[PodView] = []
        calm: list[PodView] = []
        for pod in pods:
            seen = self._seen.get(pod.uid)
            if not _askable(pod):
                continue
            if pod.stage.has_ended or (seen and seen.standing is not Standing.LIVE):
                doubtful.append(pod)
            elif seen is None or now_s - seen.asked_s >= _ASK_AGAIN_S:
                calm.append(pod)
        return sorted(doubtful, key=self._heard_in), sorted(calm, key=self._heard_in)

    def _heard_in(self, pod: PodView) -> int:
        """Return the round in which the pod was last heard of."""
        seen = self._seen.get(pod.uid)
        return seen.asked_in if seen else 0

    def _wants_voucher(self, pods: Iterable[PodView]) -> bool:
        seen = (self._seen.get(pod.uid) for pod in pods)
        return any(
            found is not None and found.standing is not Standing.LIVE and not self._trusts(found)
            for found in seen
        )

    async def _ask_vouchers(self, vouchers: Sequence[PodView], answers: Answers) -> None:
        able = [pod for pod in vouchers if pod.row_id and _askable(pod)]
        for batch in itertools.islice(_batches(able, heard_in=self._heard_in), 1):
            answers.questions += 1
            rows = await self._witness.rows([task for pod in batch if (task := pod.task)])
            for pod in batch:
                row = rows.get(pod.task) if pod.task else None
                if row is not None:
                    self._note(pod, row)

    async def _ask_about_all(
        self, pods: Sequence[PodView], answers: Answers, *, until_s: float
    ) -> None:
        for batch in _batches(pods, heard_in=self._heard_in):
            if answers.questions >= _MOST_QUESTIONS or self._monotonic_s() > until_s:
                return
            await self._ask_about(batch, answers)

    async def _ask_about(self, pods: Sequence[PodView], answers: Answers) -> None:
        asked = {pod.uid: task for pod in pods if (task := _askable(pod))}
        answers.questions += 1
        rows = await self._witness.rows(list(asked.values()))
        for pod in pods:
            row = rows.get(asked[pod.uid])
            if row is not None:
                self._note(pod, row)
            elif answers.questions < _MOST_QUESTIONS:
                # Lists leave out what the user may not read: only the task's own page can say no.
                answers.questions += 1
                await self._ask_about_one(pod, answers)

    async def _ask_about_one(self, pod: PodView, answers: Answers) -> None:
        try:
            await self.ask_again(pod)
        except EvidenceError as error:
            if not error.about_one:
                raise
            answers.odd.append(error)

    def _note(self, pod: PodView, row: Row | None) -> _Seen:
        now_s = self._monotonic_s()
        vouched = evidence.names_its_row(pod, row)
        if vouched:
            self._vouched_in = self._round
        standing = evidence.standing_of(pod, row)
        before = self._seen.get(pod.uid)
        unbroken = before is not None and before.standing is standing
        self._seen[pod.uid] = seen = _Seen(
            standing=standing,
            said=evidence.sentence(pod, row),
            since_s=before.since_s if before and unbroken else now_s,
            since_in=before.since_in if before and unbroken else self._round,
            asked_s=now_s,
            asked_in=self._round,
            vouched=vouched,
        )
        return seen

    def _evidence(self, seen: _Seen, now_s: float) -> Evidence:
        return Evidence(
            standing=seen.standing,
            said=seen.said,
            lasted_s=now_s - seen.since_s,
            is_trusted=self._trusts(seen),
        )

    def _trusts(self, seen: _Seen) -> bool:
        """Whether the right Airflow said so: it knows the pod's row, or knew another's since."""
        return seen.vouched or self._vouched_in >= seen.since_in

    def _forget_all_but(self, pods: Iterable[PodView]) -> None:
        uids = {pod.uid for pod in pods}
        self._seen = {uid: seen for uid, seen in self._seen.items() if uid in uids}


def _askable(pod: PodView) -> TaskRef | None:
    """Return the pod's try if its names could be Airflow's; others are not worth a question."""
    task = pod.task
    if task is None or not pod.runs_task:
        return None
    named = all(_NAME.fullmatch(name) and name not in _DOTS for name in (task.dag_id, task.task_id))
    return task if named and _RUN.fullmatch(task.run_id) and task.run_id not in _DOTS else None


def _batches(
    pods: Sequence[PodView], *, heard_in: Callable[[PodView], int]
) -> Iterator[list[PodView]]:
    """Yield groups of one DAG that one question covers, those of urgent pods first.

    A question asks for runs times tasks. All instances of a mapped task that were heard of in one
    round stay in one group, for each question about some of them gets the answer about all.
    """
    by_dag: dict[str, list[PodView]] = {}
    for pod in pods:
        by_dag.setdefault(_place(pod)[0], []).append(pod)
    for group in by_dag.values():
        group.sort(key=lambda pod: (heard_in(pod), _place(pod)))
        batch: list[PodView] = []
        for pod in group:
            if len(batch) >= _AT_ONCE and _place(pod) != _place(batch[-1]):
                yield batch
                batch = []
            batch.append(pod)
        yield batch


def _place(pod: PodView) -> tuple[str, str, str]:
    task = pod.task
    return (task.dag_id, task.run_id, task.task_id) if task else ("", "", "")
