"""What the local cluster's API server writes down of requests, rule by rule."""

import pytest

from tradewind_tools.cluster import audit


def level_of(verb, group, resource):
    """Return the level of the first rule that fits, as the API server picks it."""
    for rule in audit.policy()["rules"]:
        if "nonResourceURLs" in rule or verb not in rule.get("verbs", [verb]):
            continue
        groups = rule.get("resources", [{"group": group}])
        if any(
            one["group"] == group and resource in one.get("resources", [resource]) for one in groups
        ):
            return rule["level"]
    return "None"


@pytest.mark.parametrize(
    ("verb", "group", "resource", "expected"),
    [
        pytest.param("create", "", "pods", "RequestResponse", id="a-pod-with-all-it-holds"),
        pytest.param("patch", "", "pods", "RequestResponse", id="a-claim"),
        pytest.param("patch", "", "pods/status", "Request", id="a-farewell"),
        pytest.param("create", "", "events", "Request", id="an-event"),
        pytest.param("create", "events.k8s.io", "events", "Request", id="an-event-of-v1"),
        pytest.param("list", "", "pods", "Metadata", id="a-list-without-its-pods"),
        pytest.param("create", "", "secrets", "Metadata", id="a-secret-without-its-body"),
        pytest.param("create", "", "serviceaccounts/token", "Metadata", id="a-token-request"),
        pytest.param(
            "create", "authentication.k8s.io", "tokenreviews", "Metadata", id="a-token-review"
        ),
        pytest.param("create", "", "pods/exec", "Metadata", id="anything-else"),
        pytest.param("update", "coordination.k8s.io", "leases", "None", id="what-only-ticks"),
    ],
)
def test_bodies_are_kept_where_a_pod_could_carry_a_secret_and_of_no_secret(
    verb, group, resource, expected
):
    assert level_of(verb, group, resource) == expected
