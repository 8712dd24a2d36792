"""Why the API server did not take a pod: the error of a create, as a cause. Pure."""

from __future__ import annotations

import re

from tradewind.client.errors import ApiError, ClusterError
from tradewind.pods import causes
from tradewind.pods.causes import Cause, Finding, Kind

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_INVALID = frozenset({400, 413, 422})
_UNPRIVILEGED = re.compile(r"\bcannot create resource\b")
_BY_POLICY = re.compile(r"denied the request|ValidatingAdmissionPolicy|violates PodSecurity")

_TOO_LARGE = "the pod is too large: shorten its environment, args or annotations"
_NO_NAMESPACE = "create the namespace or set [tradewind] namespace to one that exists"
_NO_SESSION = "check the scheduler's ServiceAccount or kubeconfig: the API server does not know it"
_UNBOUNDED = "set the requests and limits that the quota asks for on every container of the pod"
_ENDING = "wait for the namespace's deletion and create it again, or use another"


def of(error: ClusterError) -> Cause:
    """Return why the create that raised `error` did not succeed."""
    return causes.say("the pod was not created", _finding(error))


def _finding(error: ClusterError) -> Finding:
    facts = str(error)
    if not isinstance(error, ApiError) or error.retryable:
        return Finding(Kind.API_UNAVAILABLE, facts)
    if error.is_quota:
        return Finding(Kind.QUOTA, facts)
    if _BY_POLICY.search(error.message):
        return Finding(Kind.ADMISSION_DENIED, facts)
    if error.status == _UNAUTHORIZED:
        return Finding(Kind.FORBIDDEN, facts, _NO_SESSION)
    if error.status == _FORBIDDEN:
        return _forbidden(error.message, facts)
    if error.status == _NOT_FOUND:
        return Finding(Kind.INVALID_POD, facts, _NO_NAMESPACE)
    if error.status in _INVALID:
        return Finding(Kind.INVALID_POD, facts, _TOO_LARGE if error.status == 413 else "")  # noqa: PLR2004
    return Finding(Kind.OTHER, facts)


def _forbidden(message: str, facts: str) -> Finding:
    """Tell a missing right from an admission plugin, which answers 403 as well."""
    if _UNPRIVILEGED.search(message):
        return Finding(Kind.FORBIDDEN, facts)
    if "failed quota" in message:
        return Finding(Kind.ADMISSION_DENIED, facts, _UNBOUNDED)
    if "is being terminated" in message:
        return Finding(Kind.ADMISSION_DENIED, facts, _ENDING)
    return Finding(Kind.ADMISSION_DENIED, facts)
