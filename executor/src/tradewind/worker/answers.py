"""What an answer of the boarding endpoint means for the pod: one table. Pure.

Nothing but an answer of our own endpoint ends a pod for good or hands it a workload. A web page
under the same address, an ingress, or nothing at all are waited out, as long as the pod may wait.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from http import HTTPStatus

from tradewind.contract import EXIT_DONE, EXIT_NOT_STARTED, Ended

DENIED_S = 60.0
"""How long a pod presents an identity that is not accepted: a key may have been rotated, or the
API server have come up without the cluster's keys."""
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 5.0
_LONGEST_ASKED_WAIT_S = 60.0
"""Of a `Retry-After`; a longer one would outlive most budgets."""
_SUPERSEDED: dict[int, str] = {
    HTTPStatus.CONFLICT: "the launch is not open any more",
    HTTPStatus.GONE: "the pod is gone or not wanted any more",
    HTTPStatus.UPGRADE_REQUIRED: "the server has moved on from this pod's template or image",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from one request."""

    status: int = 0
    """Of HTTP; 0 when nothing came."""
    ours: bool = False
    """It carries the header that every answer of the endpoint has."""
    body: bytes = field(default=b"", repr=False)
    detail: str = ""
    """The endpoint's own word on a refusal, or why nothing came."""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The launch is handed over."""

    workload: bytes = field(repr=False)
    """JSON; holds a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Ask again after a while."""

    why: str = ""
    """One sentence; empty where all is well."""
    denied: bool = False
    """The identity was not accepted."""
    at_once: bool = False
    after_s: float | None = None
    """As the server asked, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nothing will run in this pod."""

    exit_code: int
    ended: Ended
    reason: str


def read(answer: Answer, *, url: str) -> Run | Again | End:
    """Return what the answer says; `url` is named in sentences."""
    match answer.status:
        case 0:
            return Again(why=f"{url} cannot be reached: {answer.detail}")
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.REQUEST_TIMEOUT:
            return Again(why=f"{url} is busy", after_s=answer.retry_after_s)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Again(why=f"{url} answers {status}", after_s=answer.retry_after_s)
        case status if not answer.ours:
            return Again(
                why=f"{url} answers {status}, but not as Tradewind's endpoint does: install the "
                "same airflow-tradewind in the API server, which loads its plugin, and check "
                "the address"
            )
        case _:
            return _of_endpoint(answer, url)


def _of_endpoint(answer: Answer, url: str) -> Run | Again | End:
    detail = f": {answer.detail}" if answer.detail else ""
    match answer.status:
        case HTTPStatus.OK:
            return Run(workload=answer.body)
        case HTTPStatus.NO_CONTENT:
            return Again(at_once=True)
        case HTTPStatus.UNAUTHORIZED:
            return Again(why=f"{url} does not accept the pod's identity{detail}", denied=True)
        case status if status in _SUPERSEDED:
            return End(exit_code=EXIT_DONE, ended="superseded", reason=_SUPERSEDED[status] + detail)
        case status:
            return Again(why=f"{url} answers {status}{detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Ask again after `seconds`."""

    seconds: float
    why: str


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long one pod goes on asking. Times are monotonic seconds."""

    started_s: float
    budget_s: float | None
    """None in an idle pod, which waits for ever."""
    rng: random.Random
    _failures: int = field(default=0, init=False)
    _denied_since_s: float | None = field(default=None, init=False)

    def left_s(self, now_s: float) -> float | None:
        """Return what is left of the budget, never below 0; None without one."""
        if self.budget_s is None:
            return None
        return max(0.0, self.started_s + self.budget_s - now_s)

    def judge(self, said: Again, *, now_s: float) -> Wait | End:
        """Return how long to wait before the next request, or why there is none."""
        self._failures = 0 if said.at_once else self._failures + 1
        if not said.denied:
            self._denied_since_s = None
        elif self._denied_since_s is None:
            self._denied_since_s = now_s
        if self._denied_since_s is not None and now_s - self._denied_since_s >= DENIED_S:
            return _not_started(f"{said.why}, for {DENIED_S:.0f} s now")
        left_s = self.left_s(now_s)
        if left_s == 0:
            why = said.why or "the endpoint has no launch for this pod"
            return _not_started(f"no workload within {self.budget_s:g} s: {why}")
        seconds = self._wait_s(said)
        return Wait(seconds=seconds if left_s is None else min(seconds, left_s), why=said.why)

    def _wait_s(self, said: Again) -> float:
        if said.at_once:
            return 0.0
        if said.after_s is not None:
            return min(said.after_s, _LONGEST_ASKED_WAIT_S) * self.rng.uniform(1.0, 1.2)
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(self._failures - 1, 10))
        return longest * self.rng.uniform(0.5, 1.0)


def _not_started(reason: str) -> End:
    return End(exit_code=EXIT_NOT_STARTED, ended="not_started", reason=reason)
