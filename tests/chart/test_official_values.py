"""Values of the official chart become values that our chart renders, with a remark for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from rendered import LOADER, config_of, environment, of_kind, own_container, pod_of, task_templates

from tradewind.errors import ConfigError
from tradewind.official_values import find, migrate, translated

FOLDER = Path(__file__).parent / "official"
FILES = {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}


def migrated(name):
    return migrate(yaml.safe_load(FILES[name].read_text()))


@pytest.fixture
def render_migrated(template, tmp_path):
    """Render with what a migration returned; refused values fail the test."""

    def documents(name):
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(migrated(name).values))
        result = template(f"--values={file}")
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.load_all(result.stdout, LOADER) if document]

    return documents


@pytest.mark.parametrize("name", FILES)
def test_our_chart_renders_what_a_migration_returns(render_migrated, name):
    assert len(FILES) == 5
    assert pod_of(render_migrated(name), "scheduler")


def test_nothing_that_was_set_is_lost_in_silence():
    official = {"scheduler": {"replicas": 2, "somethingNew": 3}, "unheard": {"of": 1}}
    done = migrate(official)
    assert done.values == {"scheduler": {"replicas": 2}}
    assert set(done.remarks) == {"scheduler.somethingNew", "unheard.of"}


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        (
            "production-guide",
            "database.external",
            {"existingSecret": "mydatabase", "uriKey": "connection"},
        ),
        ("production-guide", "secrets.fernetKey.existingSecret", "my-fernet"),
        ("production-guide", "scheduler.podDisruptionBudget", {"maxUnavailable": 1}),
        ("production-guide", "dbCleanup.retentionDays", 60),
        ("git-sync", "gitSync.ref", "main"),
        ("git-sync", "gitSync.existingSecret", "airflow-ssh-secret"),
        ("git-sync", "triggerer.nodeSelector", {"pool": "airflow"}),
        ("git-sync", "executor.podTemplate.nodeSelector", {"pool": "airflow"}),
        ("celery", "executor.podTemplate.resources.limits", {"memory": "4Gi"}),
        ("celery", "executor.podTemplate.nodeSelector", {"pool": "workers"}),
        ("celery", "metrics.enabled", True),
        ("single-sign-on", "image.repository", "registry.example.com/data/airflow"),
        ("single-sign-on", "apiServer.ingress.hosts", ["airflow.example.com"]),
        ("single-sign-on", "apiServer.ingress.tlsSecret", "airflow-tls"),
        ("single-sign-on", "airflow.config.core", {"parallelism": 64}),
        ("namespaces", "executor.podTemplate.priorityClassName", "batch"),
        ("namespaces", "database.external.host", "db.example.com"),
        ("namespaces", "commonLabels", {"team": "data"}),
    ],
)
def test_what_has_an_equivalent_is_taken_over(name, path, expected):
    assert find(migrated(name).values, path) == expected


@pytest.mark.parametrize(
    ("name", "path", "word"),
    [
        ("production-guide", "jwtSecretName", "Ed25519"),
        ("production-guide", "migrateDatabaseJob.useHelmHooks", "plain Job"),
        ("celery", "executor", "a pod of its own"),
        ("celery", "redis.password", "no Celery"),
        ("celery", "workers.keda.enabled", "no workers"),
        ("celery", "quotas.requests.cpu", "extraObjects"),
        ("namespaces", "multiNamespaceMode", "executor.namespaces"),
        ("namespaces", "data.metadataConnection.pass", "create Secret airflow-database"),
        ("namespaces", "uid", "podSecurity.airflow.runAsUser"),
        ("git-sync", "dags.gitSync.knownHosts", "no equivalent"),
    ],
)
def test_what_has_none_is_listed_with_the_way_to_go(name, path, word):
    assert word in migrated(name).remarks[path]


def test_variables_reach_components_and_tasks_as_they_did(render_migrated):
    documents = render_migrated("single-sign-on")
    (task,) = task_templates(documents)
    for pod in (pod_of(documents, "scheduler"), task):
        env = environment(own_container(pod))
        assert env["COMPANY"]["value"] == "example"
        assert env["TZ"]["value"] == "Europe/Berlin"
        assert env["OAUTH_SECRET"]["valueFrom"] == {
            "secretKeyRef": {"name": "oauth", "key": "secret"}
        }
    assert config_of(documents)["logging"]["remote_log_conn_id"] == "aws"
    assert of_kind(documents, "Ingress")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("- a list", "holds a list: values are a map"), ("a: [", "cannot be read as values")],
)
def test_what_holds_no_values_is_refused(tmp_path, text, sentence):
    file = tmp_path / "values.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        translated(str(file))


def test_values_go_one_way_and_remarks_the_other():
    values, remarks = translated(str(FILES["celery"]))
    assert "executor:" in values
    assert "flower.enabled: there is no Celery\n" in remarks
