"""What to do when creating or deleting a pod did not just work: one table. Pure.

Repeating a create is always safe, because its name is deterministic and the API server refuses a
second pod of that name. So only errors that no repetition can mend fail a task.
"""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.client.errors import ApiError, ClusterError

FIRST_BACKOFF_S = 0.5
MOST_BACKOFF_S = 30.0
QUOTA_BACKOFF_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Do the same again after `after_s` seconds."""

    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """Give up; `reason` is what the user reads."""

    reason: str


@dataclass(frozen=True, slots=True)
class LookUp:
    """A pod of that name exists: find out whose it is."""


Decision = Retry | Fail | LookUp

_REMEDY_BY_STATUS = {
    400: "the API server cannot read the pod; check the pod template and pod_override",
    401: "the API server does not know us; check the scheduler's ServiceAccount or kubeconfig",
    403: "not allowed; check the scheduler's Role in that namespace and its admission policies",
    404: "the namespace does not exist; create it or set [tradewind] namespace",
    413: "the pod is too large; shorten its environment or annotations",
    422: "the pod is invalid; check the pod template and pod_override",
}


def decide_create(
    error: ClusterError, *, attempt: int, elapsed_s: float, budget_s: float
) -> Decision:
    """Return what follows the `attempt`-th failed create (from 1), `elapsed_s` into the launch."""
    if isinstance(error, ApiError) and error.is_already_exists:
        return LookUp()
    quota = isinstance(error, ApiError) and error.is_quota
    passing = quota or error.retryable or _is_conflict(error) or _is_signed_out(error, attempt)
    if not passing:
        return Fail(reason=_sentence(error))
    if elapsed_s >= budget_s:
        return Fail(reason=f"gave up after {elapsed_s:.0f} s of trying to create the pod: {error}")
    return Retry(after_s=_wait_s(error, attempt=attempt, quota=quota))


def decide_delete(error: ClusterError, *, attempt: int) -> Retry | None:
    """Return when to repeat a failed delete, or None when nothing is left to do.

    404: it is gone. 409: the name belongs to another pod now. Everything else is repeated, with
    ever longer waits, for as long as the process lives: a lost Role may come back.
    """
    if isinstance(error, ApiError) and (error.is_not_found or error.status == 409):  # noqa: PLR2004
        return None
    return Retry(after_s=_wait_s(error, attempt=attempt, quota=False))


def _wait_s(error: ClusterError, *, attempt: int, quota: bool) -> float:
    backoff_s: float = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt - 1, 10))
    if quota:
        backoff_s = max(backoff_s, QUOTA_BACKOFF_S)
    return max(backoff_s, error.retry_after_s or 0.0)


def _is_conflict(error: ClusterError) -> bool:
    """409 Conflict: an admission plugin lost a race, typically the quota's own bookkeeping."""
    return isinstance(error, ApiError) and error.status == 409  # noqa: PLR2004


def _is_signed_out(error: ClusterError, attempt: int) -> bool:
    """A first 401 may be a token rotated under us; the client has forgotten it by now."""
    return isinstance(error, ApiError) and error.status == 401 and attempt == 1  # noqa: PLR2004


def _sentence(error: ClusterError) -> str:
    if not isinstance(error, ApiError):
        return str(error)
    remedy = _REMEDY_BY_STATUS.get(error.status, "see the API server's answer")
    return f"pod was refused ({error}): {remedy}"
