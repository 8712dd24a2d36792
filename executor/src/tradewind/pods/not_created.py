"""Why the API server did not take a pod: its error as a word and as a cause, one table. Pure."""

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
    word: str
    """Label of the metrics; the same for the same error of any call."""
    kind: Kind
    remedy: str = ""


def _on(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


NO_ANSWER = "no_answer"
_RULES = (
    _Rule(
        # Statuses by which the API server judges a pod; under others waiting helps in any case.
        _on(400, 403, 404, 413, 422),
        "is a proxy in between",
        "no_status",
        Kind.OTHER,
        "let the scheduler's calls reach the API server itself, or mend what answers in its place",
    ),
    _Rule(
        _on(),
        "failed calling webhook",
        "webhook_unavailable",
        Kind.API_UNAVAILABLE,
        "get the admission webhook that it names to answer again, or remove it",
    ),
    _Rule(_on(500), "database space", "store_full", Kind.API_UNAVAILABLE),
    _Rule(_on(403), "exceeded quota|status unknown for quota", "quota", Kind.QUOTA),
    _Rule(
        _on(403),
        "violates PodSecurity",
        "pod_security",
        Kind.ADMISSION_DENIED,
        "change the securityContext in the template or pod_override, or the namespace's level",
    ),
    _Rule(
        _on(), "ValidatingAdmissionPolicy|denied request", "policy_denied", Kind.ADMISSION_DENIED
    ),
    _Rule(_on(), "denied the request", "admission_denied", Kind.ADMISSION_DENIED),
    _Rule(
        _on(403),
        "cannot create resource",
        "rbac",
        Kind.FORBIDDEN,
        "check the scheduler's Role in that namespace: it may not create pods there",
    ),
    _Rule(
        _on(403),
        "failed quota",
        "forbidden",
        Kind.ADMISSION_DENIED,
        "set the requests and limits that the quota asks for on every container of the pod",
    ),
    _Rule(
        _on(403),
        "being terminated",
        "namespace_terminating",
        Kind.ADMISSION_DENIED,
        "create the namespace again once it is gone, or use another",
    ),
    # What is left of 403 comes from admission plugins: LimitRange, PriorityClass, ServiceAccount.
    _Rule(_on(403), "", "forbidden", Kind.ADMISSION_DENIED),
    _Rule(
        _on(401),
        "",
        "unauthorized",
        Kind.FORBIDDEN,
        "check the scheduler's ServiceAccount or kubeconfig: the API server does not know it",
    ),
    _Rule(
        _on(404),
        "",
        "no_namespace",
        Kind.INVALID_POD,
        "create the namespace or set [tradewind] namespace to one that exists",
    ),
    _Rule(
        _on(413),
        "",
        "too_large",
        Kind.INVALID_POD,
        "make the pod smaller: shorten its environment, args or annotations",
    ),
    _Rule(_on(400), "", "bad_request", Kind.INVALID_POD),
    _Rule(_on(422), "", "invalid", Kind.INVALID_POD),
    _Rule(_on(408, 504), "", "timeout", Kind.API_UNAVAILABLE),
    _Rule(_on(409), "", "conflict", Kind.API_UNAVAILABLE),
    _Rule(_on(429), "", "throttled", Kind.API_UNAVAILABLE),
    _Rule(_on(500), "", "server_error", Kind.API_UNAVAILABLE),
    _Rule(_on(502, 503), "", "unavailable", Kind.API_UNAVAILABLE),
    _Rule(_on(), "", "refused", Kind.OTHER),
)
"""The first that fits counts; the last fits everything."""


def word_of(error: Exception) -> str:
    """Return the error's class in one word; whatever is no answer of the server is `no_answer`."""
    return _rule_of(error).word if isinstance(error, ApiError) else NO_ANSWER


def explain(error: ClusterError) -> Cause:
    """Return why the create that raised `error` did not succeed."""
    if not isinstance(error, ApiError):
        return causes.say("the pod was not created", Finding(Kind.API_UNAVAILABLE, str(error)))
    rule = _rule_of(error)
    return causes.say("the pod was not created", Finding(rule.kind, str(error), rule.remedy))


def _rule_of(error: ApiError) -> _Rule:
    return next(rule for rule in _RULES if _fits(rule, error))


def _fits(rule: _Rule, error: ApiError) -> bool:
    by_status = not rule.statuses or error.status in rule.statuses
    return by_status and re.search(rule.pattern, error.message) is not None
