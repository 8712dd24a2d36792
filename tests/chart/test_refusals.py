"""What cannot work is refused: one sentence with the path of the value and the remedy."""

from __future__ import annotations

import json

import pytest
from rendered import CHART

REFUSED = [
    # Keys and types: the schema's words, which Helm puts behind the path.
    ("unknown-key", {"apiserver.replicas": 2}, "additional properties 'apiserver' not allowed"),
    ("unknown-key-deep", {"scheduler.replica": 2}, "additional properties 'replica' not allowed"),
    ("text-for-number", {"scheduler.replicas": "two"}, "want integer"),
    ("fraction-of-a-replica", {"scheduler.replicas": 1.5}, "want integer"),
    ("number-for-switch", {"networkPolicy.enabled": 3}, "want boolean"),
    ("text-for-list", {"executor.namespaces": "team-a"}, "want array"),
    ("list-for-map", {"airflow.env": ["A=1"]}, "want object"),
    ("no-quantity", {"postgresql.storage.size": "much"}, "/postgresql/storage/size"),
    ("no-digest", {"image.digest": "sha256:short"}, "/image/digest"),
    ("unknown-service-type", {"apiServer.service.type": "Nodeport"}, "/apiServer/service/type"),
    ("port-out-of-range", {"apiServer.service.port": 70000}, "/apiServer/service/port"),
    ("unknown-pull-policy", {"image.pullPolicy": "Sometimes"}, "/image/pullPolicy"),
    ("secret-as-bare-text", {"secrets.fernetKey": "abc"}, "/secrets/fernetKey"),
    ("variable-name", {"airflow.env": {"A B": "x"}}, "invalid propertyName 'A B'"),
    # The database.
    (
        "database-without-secret",
        {"database.external.host": "db"},
        "with the password or URL: set database.external.existingSecret",
    ),
    (
        "secret-without-database",
        {"database.external.existingSecret": "db"},
        "set database.external.host or database.external.uriKey",
    ),
    (
        "address-and-url",
        {"database.external": {"host": "db", "uriKey": "uri", "existingSecret": "db"}},
        "database.external.host and database.external.uriKey both name the database",
    ),
    (
        "two-databases",
        {
            "postgresql.enabled": True,
            "database.external": {"host": "db", "existingSecret": "db"},
        },
        "postgresql.enabled is true and database.external names another database: drop one",
    ),
    (
        "no-database",
        {"postgresql.enabled": False},
        "postgresql.enabled is false and no other database is named: set database.external.host",
    ),
    (
        "pool-of-a-url",
        {"pgbouncer.enabled": True, "database.external": {"uriKey": "u", "existingSecret": "d"}},
        "pgbouncer.enabled cannot read database.external.uriKey: set database.external.host",
    ),
    # Logs.
    (
        "loki-without-scheme",
        {"logs.loki.url": "loki:3100"},
        "logs.loki.url is loki:3100: write the complete address",
    ),
    (
        "two-lokis",
        {"logs.loki.url": "http://loki", "loki.enabled": True},
        "loki.enabled is true and logs.loki.url is http://loki: logs go to one Loki, drop one",
    ),
    (
        "password-for-own-loki",
        {"logs.loki.basicAuth.existingSecret": "login", "loki.enabled": True},
        "logs.loki.basicAuth.existingSecret is set, and the Loki of loki.enabled asks for no",
    ),
    (
        "collector-for-no-loki",
        {"logs.loki.collector": True},
        "the log view has no Loki to read what it sends: set logs.loki.url",
    ),
    (
        "grafana-without-datasource",
        {"logs.grafana.url": "http://g", "loki.enabled": True},
        "logs.grafana.url and logs.grafana.datasource need each other",
    ),
    (
        "grafana-without-loki",
        {"logs.grafana": {"url": "http://g", "datasource": "P1"}},
        "logs.grafana.url is set, but no Loki whose logs it could show",
    ),
    ("logs-kept-for-no-day", {"loki.retentionDays": 0}, "/loki/retentionDays"),
    (
        "loki-and-own-logging",
        {
            "logs.loki.url": "http://loki",
            "airflow.config.logging.logging_config_class": "mine.LOGGING",
        },
        "airflow.config.logging.logging_config_class is mine.LOGGING: drop one of them",
    ),
    (
        "flush-longer-than-grace",
        {"logs.loki": {"url": "http://loki", "flushTimeoutSeconds": 30}},
        "a pod needs more time to end than to send its log, raise the second",
    ),
    # Tasks.
    (
        "two-local-executors",
        {"executor.class": "LocalExecutor", "scheduler.replicas": 2},
        "LocalExecutor runs tasks in the scheduler, and scheduler.replicas is 2: set it to 1",
    ),
    (
        "namespaces-of-no-pods",
        {"executor.class": "LocalExecutor", "executor.namespaces": ["a"]},
        "executor.namespaces is set, but executor.class LocalExecutor launches no pods",
    ),
    (
        "warm-pods-without-pods",
        {"executor.class": "LocalExecutor", "executor.warmPools": {"default": 2}},
        "executor.warmPools needs the Tradewind executor",
    ),
    (
        "queue-in-a-namespace-without-role",
        {"executor.queues": {"heavy": {"namespace": "away"}}},
        "executor.queues.heavy.namespace is away, where tasks have no Role: add it to executor",
    ),
    (
        "queue-of-an-unknown-profile",
        {"executor.queues": {"heavy": {"profile": "big"}}, "executor.profiles": {"small": {}}},
        "executor.queues.heavy.profile is big, which is none of executor.profiles (small)",
    ),
    (
        "volume-beyond-its-namespace",
        {"dagsVolume.enabled": True, "executor.namespaces": ["a"]},
        "dagsVolume.enabled and executor.namespaces exclude each other",
    ),
    # DAGs.
    (
        "bundle-without-class",
        {"airflow.dagBundles": {"x": {"kwargs": {"path": "/x"}}}},
        "airflow.dagBundles.x has no classpath: name the bundle's class",
    ),
    (
        "processor-for-each-of-none",
        {"airflow.dagBundles": {"dags": None}, "dagProcessor.perBundle": True},
        "dagProcessor.perBundle is true, but airflow.dagBundles is empty",
    ),
    (
        "repository-without-address",
        {"gitSync.enabled": True},
        "gitSync.enabled is true, but gitSync.repo is empty",
    ),
    (
        "ssh-without-key",
        {"gitSync": {"enabled": True, "repo": "git@git.example:dags"}},
        "gitSync.repo git@git.example:dags is read over SSH: set gitSync.existingSecret",
    ),
    (
        "two-deliveries",
        {"gitSync": {"enabled": True, "repo": "https://x"}, "dagsVolume.enabled": True},
        "gitSync.enabled and dagsVolume.enabled both deliver DAGs: turn one of them off",
    ),
    # Components.
    (
        "node-port-of-cluster-ip",
        {"apiServer.service.nodePort": 30080},
        "apiServer.service.nodePort 30080 does nothing with type ClusterIP: set apiServer.service.",
    ),
    (
        "ingress-without-host",
        {"apiServer.ingress.enabled": True},
        "apiServer.ingress.enabled is true, but apiServer.ingress.hosts is empty",
    ),
    (
        "route-without-gateway",
        {"apiServer.httpRoute.enabled": True},
        "apiServer.httpRoute.enabled is true, but apiServer.httpRoute.parentRefs is empty",
    ),
    (
        "more-at-least-than-at-most",
        {"apiServer.autoscaling": {"enabled": True, "minReplicas": 9}},
        "apiServer.autoscaling.minReplicas 9 is above maxReplicas 6: lower it",
    ),
    (
        "rules-of-no-component",
        {"networkPolicy.extraEgress": {"worker": []}},
        "networkPolicy.extraEgress.worker is no component: write one of api-server",
    ),
    # Metrics.
    (
        "metrics-to-two-places",
        {"metrics.enabled": True, "airflow.config": {"metrics": {"statsd_host": "mine"}}},
        "airflow.config.metrics.statsd_host is set by metrics.enabled, for the exporter",
    ),
    (
        "alerts-about-nothing",
        {"metrics.prometheusRule.enabled": True},
        "metrics.prometheusRule.enabled is true, but nothing sends metrics: set metrics.enabled",
    ),
    # Secrets.
    (
        "secret-in-config",
        {"airflow.config": {"core": {"fernet_key": "abc"}}},
        "airflow.config.core.fernet_key is not for a ConfigMap or is the chart's to set: use",
    ),
    (
        "password-of-a-user-in-clear",
        {"bootstrap.users": {"ada": {"password": "abc"}}},
        "bootstrap.users.ada.password is no reference to a Secret",
    ),
    (
        "password-of-a-connection-in-clear",
        {"bootstrap.connections": {"lake": {"password": "abc"}}},
        "bootstrap.connections.lake.password would be readable in a ConfigMap",
    ),
    (
        "pool-without-slots",
        {"bootstrap.pools": {"few": {"description": "x"}}},
        "bootstrap.pools.few has no slots: set bootstrap.pools.few.slots",
    ),
    (
        "trusted-keys-without-the-one-that-signs",
        {"secrets.jwtTrustedKeys.existingSecret": "keys"},
        "the generated one is not among them: set secrets.jwtPrivateKey.existingSecret too",
    ),
]


@pytest.mark.parametrize(
    ("values", "sentence"), [pytest.param(v, s, id=name) for name, v, s in REFUSED]
)
def test_what_cannot_work_is_refused_with_path_and_remedy(render_words, values, sentence):
    result = render_words(values)
    assert result.returncode != 0
    assert sentence in " ".join(result.stderr.split())


@pytest.fixture
def render_words(template):
    """Render dotted paths with values of any type."""

    def render(values):
        return template(
            *(f"--set-json={path}={json.dumps(value)}" for path, value in values.items())
        )

    return render


@pytest.mark.parametrize(
    "words",
    [
        pytest.param([], id="helm-template"),
        pytest.param(
            ["--api-versions=v1/Secret", "--api-versions=argoproj.io/v1alpha1/Application"],
            id="argo-cd",
        ),
    ],
)
def test_keys_that_would_change_at_every_rendering_are_refused(offline, words):
    result = offline(*words)
    assert result.returncode != 0
    said = " ".join(result.stderr.split())
    assert "generated keys would change at every rendering" in said
    for path in ("secrets.fernetKey", "secrets.jwtPrivateKey", "adminUser", "postgresql"):
        assert f"{path}.existingSecret" in said
    made = " ".join(offline(*words, "--set=janitor.airflowLogin.create=true").stderr.split())
    assert "janitor.airflowLogin.existingSecret" in made
    assert offline(*words, "--set=secrets.allowUnstable=true").returncode == 0


def test_what_is_given_renders_without_a_cluster(offline):
    result = offline(f"--values={CHART}/ci/gitops-values.yaml")
    assert result.returncode == 0, result.stderr
