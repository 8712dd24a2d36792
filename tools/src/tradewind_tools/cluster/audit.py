"""What the local cluster's API server writes down of requests.

Tests read it to prove that no secret went through the API. So bodies are kept where a task's pod
could carry one, and never of objects that are made of secrets.
"""

from typing import Any

MOST_MEGABYTES = 64
"""Of one file; two are kept."""
_WRITES = ["create", "update", "patch", "delete"]
_CORE = ""


def policy() -> dict[str, Any]:
    """Return the policy; the first rule that fits a request decides."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            _rule("None", [{"group": "coordination.k8s.io"}]),
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/openapi*"]},
            # Answers to `serviceaccounts/token` are the very tokens that pods get.
            _rule("Metadata", [_core("secrets", "configmaps", "serviceaccounts/token")]),
            _rule("Metadata", [{"group": "authentication.k8s.io"}]),
            _rule("RequestResponse", [_core("pods")], verbs=_WRITES),
            _rule("Request", [_core("pods/status", "pods/binding", "events")], verbs=_WRITES),
            _rule("Request", [{"group": "events.k8s.io"}], verbs=_WRITES),
            {"level": "Metadata"},
        ],
    }


def flags(*, policy_file: str, log_file: str) -> list[str]:
    """Return the API server's arguments."""
    return [
        f"--audit-policy-file={policy_file}",
        f"--audit-log-path={log_file}",
        f"--audit-log-maxsize={MOST_MEGABYTES}",
        "--audit-log-maxbackup=1",
    ]


def _core(*resources: str) -> dict[str, Any]:
    return {"group": _CORE, "resources": list(resources)}


def _rule(
    level: str, resources: list[dict[str, Any]], *, verbs: list[str] | None = None
) -> dict[str, Any]:
    return {"level": level, "resources": resources} | ({"verbs": verbs} if verbs else {})
