"""What to do when creating or deleting a pod did not just work: one table. Pure.

Repeating a create is always safe, because its name is deterministic and the API server refuses a
second pod of that name. So only errors that no repetition can mend fail a task. Every decision has
a `kind`: the word that `pods.not_created` has for the error, for a metric's label.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.client.errors import ApiError, ClusterError
from tradewind.dispatch.gates.parking import demand_of
from tradewind.dispatch.gates.window import PAUSE_S
from tradewind.pods import not_created
from tradewind.pods.causes import Cause, Kind

FIRST_BACKOFF_S = 0.5
MOST_BACKOFF_S = 30.0
CONFLICT_BACKOFF_S = 0.05
CONFLICTS_AT_ONCE = 5
"""Conflicts of the quota's own bookkeeping that are repeated with hardly a wait."""
ALARM_AFTER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Do the same again after `after_s` seconds."""

    kind: str
    after_s: float
    alarm: str = ""
    """A sentence for whoever runs the scheduler, once the error lasts; empty before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """Wait until the namespace has room; this never fails the task."""

    kind: str
    reason: str
    demand: str
    """What there is no room for; pods that ask for something else may still fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Give up; the cause has what the user reads."""

    kind: str
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """A pod of that name exists: find out whose it is."""

    kind: str = "already_exists"


Decision = Retry | Park | Fail | LookUp


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What an error says about the API server itself."""

    answered: bool
    overloaded: bool = False
    pause_s: float = 0.0
    """How long nothing at all should be sent."""


_PASSING = frozenset({401, 409})
"""Beside the retryable: a rotated token arrives, the quota's bookkeeping catches up."""
_OVERLOADED = frozenset({"throttled", "unavailable", "timeout"})


def decide_create(
    error: ClusterError | OSError, *, attempt: int, troubled_s: float, budget_s: float
) -> Decision:
    """Return what follows the `attempt`-th failed create of a pod (from 1).

    Args:
        error: an `OSError` counts as no answer.
        attempt: creates of this pod so far.
        troubled_s: time since the first of them failed.
        budget_s: after which passing errors fail the task too.

    """
    if isinstance(error, ApiError) and error.is_already_exists:
        return LookUp()
    kind = not_created.word_of(error)
    if kind == "quota":
        said = _said(error)
        reason = f"waits for room in the namespace's quota: {said}"
        return Park(kind=kind, reason=reason, demand=demand_of(said))
    if isinstance(error, ApiError) and not (error.retryable or error.status in _PASSING):
        return Fail(kind=kind, cause=not_created.explain(error))
    if troubled_s >= budget_s:
        reason = (
            f"gave up after {troubled_s:.0f} s of trying to create the pod, {attempt} times: "
            f"{error}; see the API server's health or raise [tradewind] launch_budget"
        )
        return Fail(kind=kind, cause=Cause(Kind.API_UNAVAILABLE, reason))
    return Retry(
        kind=kind,
        after_s=_wait_s(error, kind=kind, attempt=attempt),
        alarm=_alarm(kind, troubled_s, error),
    )


def decide_delete(error: ClusterError | OSError, *, attempt: int) -> Retry | None:
    """Return when to repeat a failed delete, or None when nothing is left to do.

    404: it is gone. 409: the name belongs to another pod now. Everything else is repeated, with
    ever longer waits, for as long as the process lives: a lost Role may come back.
    """
    if isinstance(error, ApiError) and error.status in {404, 409}:
        return None
    kind = not_created.word_of(error)
    return Retry(kind=kind, after_s=_wait_s(error, kind=kind, attempt=attempt))


def feedback(error: ClusterError | OSError) -> Feedback:
    """Return what the error says about the API server, for the gates."""
    if not isinstance(error, ApiError):
        return Feedback(answered=False)
    kind = not_created.word_of(error)
    if kind not in _OVERLOADED:
        return Feedback(answered=True)
    asked_s = error.retry_after_s
    return Feedback(
        # 502 to 504 come from what stands before the server as much as from the server.
        answered=kind == "throttled" or asked_s is not None,
        overloaded=True,
        pause_s=asked_s if asked_s is not None else PAUSE_S if kind == "throttled" else 0.0,
    )


def _wait_s(error: Exception, *, kind: str, attempt: int) -> float:
    if kind == "conflict" and attempt <= CONFLICTS_AT_ONCE:
        return CONFLICT_BACKOFF_S * attempt
    backoff_s: float = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt - 1, 10))
    return max(backoff_s, getattr(error, "retry_after_s", None) or 0.0)


def _alarm(kind: str, troubled_s: float, error: Exception) -> str:
    if troubled_s < ALARM_AFTER_S:
        return ""
    if kind == "unauthorized":
        return (
            f"the API server has refused our credentials for {troubled_s:.0f} s ({error}): check "
            "the scheduler's ServiceAccount token or kubeconfig"
        )
    return f"no pod could be created for {troubled_s:.0f} s: {error}"


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ApiError) else str(error)
