"""Who may do what, and who knows which secret."""

from __future__ import annotations

import base64
import collections

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from rendered import all_containers, environment, of_kind, own_container, pods, task_templates

DATABASE_VARIABLES = {"PGPASSWORD", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
POD_VERBS = ("create", "delete", "get", "list", "patch", "watch")
LAUNCHING = {("pods", verb) for verb in POD_VERBS} | {
    ("pods/log", "get"),
    ("events", "list"),
    ("events", "watch"),
}
SHOWING = {("pods", "get"), ("pods", "list"), ("pods", "watch"), ("pods/log", "get")}
SWEEPING = {("pods", verb) for verb in ("delete", "get", "list", "watch")} | {
    ("pods/log", "get"),
    ("events", "create"),
}
LEADING = {("leases", verb) for verb in ("create", "get", "update")}
OPERATING = LAUNCHING | {("pods/exec", "create"), ("pods/exec", "get")}


def granted(documents):
    """Return (namespace, account) -> {(resource, verb)} as the bindings grant them."""
    roles = {
        (role["metadata"]["namespace"], role["metadata"]["name"]): {
            (resource, verb)
            for rule in role["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for role in of_kind(documents, "Role")
    }
    found = collections.defaultdict(set)
    for binding in of_kind(documents, "RoleBinding"):
        namespace = binding["metadata"]["namespace"]
        for subject in binding["subjects"]:
            key = (namespace, f"{subject['namespace']}/{subject['name']}")
            found[key] |= roles[namespace, binding["roleRef"]["name"]]
    return dict(found)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            "default",
            {
                ("tradewind", "tradewind/tradewind-scheduler"): LAUNCHING,
                ("tradewind", "tradewind/tradewind-api-server"): SHOWING,
            },
            id="default",
        ),
        pytest.param("local-executor", {}, id="no-pods-no-rights"),
        pytest.param(
            "task-namespaces",
            {
                (namespace, account): rights
                for namespace in ("tradewind", "team-a", "team-b")
                for account, rights in [
                    ("tradewind/tradewind-scheduler", LAUNCHING),
                    ("tradewind/tradewind-api-server", SHOWING),
                    ("tradewind/tradewind-triggerer", OPERATING),
                    ("tradewind/tradewind-task", OPERATING),
                    ("team-a/tradewind-task", OPERATING),
                    ("team-b/tradewind-task", OPERATING),
                ]
            },
            id="namespaces-and-pod-operator",
        ),
        pytest.param(
            "own-loki",
            {
                (namespace, account): rights
                for namespace in ("tradewind", "team-a")
                for account, rights in [
                    ("tradewind/tradewind-scheduler", LAUNCHING),
                    ("tradewind/tradewind-api-server", SHOWING),
                    (
                        "tradewind/tradewind-janitor",
                        SWEEPING | (LEADING if namespace == "tradewind" else set()),
                    ),
                ]
            },
            id="janitor-where-tasks-are",
        ),
    ],
)
def test_every_account_has_the_rights_it_uses_and_no_more(render, case, expected):
    assert granted(render(case)) == expected


def test_nothing_reaches_beyond_namespaces(documents):
    assert not [d for d in documents if d["kind"].startswith("Cluster")]


@pytest.mark.parametrize(
    ("case", "mounted"),
    [
        pytest.param("default", {"scheduler", "api-server"}, id="default"),
        pytest.param("local-executor", set(), id="local-executor"),
        pytest.param(
            "task-namespaces", {"scheduler", "api-server", "triggerer", "task"}, id="pod-operator"
        ),
        pytest.param("high-availability", {"scheduler", "api-server"}, id="no-execution-api"),
    ],
)
def test_tokens_are_mounted_only_where_kubernetes_is_asked(render, case, mounted):
    found = {
        component
        for component, pod in pods(render(case))
        if pod["spec"]["automountServiceAccountToken"]
    }
    assert found == mounted
    for account in of_kind(render(case), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_secrets_reach_only_those_who_need_them(render):
    readers = collections.defaultdict(set)
    for component, pod in pods(render("default")):
        for name, entry in environment(own_container(pod)).items():
            if "secretKeyRef" in entry.get("valueFrom", {}):
                readers[name].add(component)
        for volume in pod["spec"]["volumes"]:
            sources = volume.get("projected", {}).get("sources", [volume])
            if any("secret" in source for source in sources):
                readers[volume["name"]].add(component)
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer", "migrate"}
    assert readers == {
        "PGPASSWORD": airflow,
        "AIRFLOW__CORE__FERNET_KEY": airflow - {"migrate"},
        "AIRFLOW__API__SECRET_KEY": {"api-server", "triggerer"},
        "jwt": {"api-server", "scheduler"},
        "password": {"postgresql"},
        "TRADEWIND_ADMIN_USERNAME": {"migrate", "test"},
        "TRADEWIND_ADMIN_PASSWORD": {"migrate", "test"},
    }


def test_tasks_know_no_database_and_no_key(documents):
    for template in task_templates(documents):
        for container in all_containers(template):
            names = set(environment(container))
            assert not names & DATABASE_VARIABLES
            if container["name"] == "base":
                assert not {name for name in names if "KEY" in name or "JWT" in name}
        secrets = {v["name"] for v in template["spec"]["volumes"] if "secret" in v}
        # Who clones a private repository has its key; the task's own container does not. It has
        # Loki's password where somebody names a Secret for it, because it sends its own log.
        assert secrets <= {"git-secret", "loki"}
        mounted = {mount["name"] for mount in own_container(template)["volumeMounts"]}
        assert secrets & mounted <= {"loki"}


def test_generated_secrets_are_kept_and_well_formed(render):
    secrets = {d["metadata"]["name"]: d for d in of_kind(render("default"), "Secret")}
    assert set(secrets) == {"tradewind-secrets", "tradewind-admin", "tradewind-postgresql"}
    for secret in secrets.values():
        assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    data = {
        key: base64.b64decode(value)
        for secret in secrets.values()
        for key, value in secret["data"].items()
    }
    assert len(base64.urlsafe_b64decode(data["fernet-key"])) == 32
    key = load_pem_private_key(data["jwt-private-key.pem"], password=None)
    assert isinstance(key, Ed25519PrivateKey)
    assert len(data["api-secret-key"]) >= 32
    assert data["username"] == b"admin"
    # Airflow expands variables in values of its environment.
    assert b"$" not in b"".join(data.values())


def test_no_secret_is_written_anywhere_else(manifests, documents):
    """Neither in clear nor encoded, outside of the one Secret that holds it."""
    for document in of_kind(documents, "Secret"):
        for key, encoded in document["data"].items():
            if key in {"username", "name"}:
                continue
            assert manifests.count(encoded) == 1, key
            assert base64.b64decode(encoded).decode() not in manifests, key


def test_nothing_is_generated_where_secrets_are_given(render):
    assert not of_kind(render("gitops"), "Secret")
