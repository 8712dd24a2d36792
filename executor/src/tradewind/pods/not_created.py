"""Why the API server did not take a pod: the error of a create as a cause, one table. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tradewind.client.errors import ApiError, ClusterError
from tradewind.pods import causes
from tradewind.pods.causes import Cause, Finding, Kind


@dataclass(frozen=True, slots=True)
class _Rule:
    """Errors of one of these statuses (any, when empty) whose message has the pattern."""

    statuses: frozenset[int]
    pattern: str
    kind: Kind
    remedy: str = ""


def _on(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


_RULES = (
    _Rule(
        _on(),
        "failed calling webhook",
        Kind.API_UNAVAILABLE,
        "get the admission webhook that it names to answer again, or remove it",
    ),
    _Rule(_on(403), "exceeded quota", Kind.QUOTA),
    _Rule(
        _on(),
        "denied the request|ValidatingAdmissionPolicy|violates PodSecurity",
        Kind.ADMISSION_DENIED,
    ),
    _Rule(_on(403), "cannot create resource", Kind.FORBIDDEN),
    _Rule(
        _on(403),
        "failed quota",
        Kind.ADMISSION_DENIED,
        "set the requests and limits that the quota asks for on every container of the pod",
    ),
    _Rule(
        _on(403),
        "is being terminated",
        Kind.ADMISSION_DENIED,
        "create the namespace again once it is gone, or use another",
    ),
    # What is left of 403 comes from admission plugins: LimitRange, PriorityClass, ServiceAccount.
    _Rule(_on(403), "", Kind.ADMISSION_DENIED),
    _Rule(
        _on(401),
        "",
        Kind.FORBIDDEN,
        "check the scheduler's ServiceAccount or kubeconfig: the API server does not know it",
    ),
    _Rule(
        _on(404),
        "",
        Kind.INVALID_POD,
        "create the namespace or set [tradewind] namespace to one that exists",
    ),
    _Rule(
        _on(413),
        "",
        Kind.INVALID_POD,
        "make the pod smaller: shorten its environment, args or annotations",
    ),
    _Rule(_on(400, 422), "", Kind.INVALID_POD),
    _Rule(_on(408, 409, 429, 500, 502, 503, 504), "", Kind.API_UNAVAILABLE),
    _Rule(_on(), "", Kind.OTHER),
)
"""The first that fits counts; the last fits everything."""


def explain(error: ClusterError) -> Cause:
    """Return why the create that raised `error` did not succeed."""
    if not isinstance(error, ApiError):
        return causes.say("the pod was not created", Finding(Kind.API_UNAVAILABLE, str(error)))
    rule = next(rule for rule in _RULES if _fits(rule, error))
    return causes.say("the pod was not created", Finding(rule.kind, str(error), rule.remedy))


def _fits(rule: _Rule, error: ApiError) -> bool:
    by_status = not rule.statuses or error.status in rule.statuses
    return by_status and re.search(rule.pattern, error.message) is not None
