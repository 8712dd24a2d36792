"""Turn values of Airflow's official Helm chart (1.22) into values of ours.

Pure: values in, values and remarks out. What has an equivalent is a row of a table; every key that
was set and taken over by no row becomes a remark, so that nothing is lost in silence.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tradewind.errors import ConfigError

Values = dict[str, Any]

COMPONENTS = {
    "scheduler": "scheduler",
    "apiServer": "apiServer",
    "webserver": "apiServer",
    "dagProcessor": "dagProcessor",
    "triggerer": "triggerer",
}
SAME_FIELDS = {
    "replicas": "replicas",
    "resources": "resources",
    "nodeSelector": "nodeSelector",
    "affinity": "affinity",
    "tolerations": "tolerations",
    "topologySpreadConstraints": "topologySpreadConstraints",
    "priorityClassName": "priorityClassName",
    "terminationGracePeriodSeconds": "terminationGracePeriodSeconds",
    "podAnnotations": "podAnnotations",
    "labels": "podLabels",
    "extraVolumes": "volumes",
    "extraVolumeMounts": "volumeMounts",
    "extraInitContainers": "initContainers",
    "serviceAccount.annotations": "serviceAccount.annotations",
    "hostAliases": "spec.hostAliases",
    "runtimeClassName": "spec.runtimeClassName",
    "schedulerName": "spec.schedulerName",
    "podDisruptionBudget.config": "podDisruptionBudget",
}
TASK_FIELDS = {
    "podAnnotations": "annotations",
    "labels": "labels",
    "serviceAccount.annotations": "",
}
PATHS = {
    "nameOverride": "nameOverride",
    "fullnameOverride": "fullnameOverride",
    "labels": "commonLabels",
    "defaultAirflowRepository": "image.repository",
    "defaultAirflowTag": "image.tag",
    "defaultAirflowDigest": "image.digest",
    "images.airflow.repository": "image.repository",
    "images.airflow.tag": "image.tag",
    "images.airflow.digest": "image.digest",
    "images.airflow.pullPolicy": "image.pullPolicy",
    "config": "airflow.config",
    "airflowLocalSettings": "airflow.localSettings",
    "webserver.webserverConfig": "airflow.webserverConfig",
    "apiServer.apiServerConfig": "airflow.webserverConfig",
    "data.metadataConnection.host": "database.external.host",
    "data.metadataConnection.port": "database.external.port",
    "data.metadataConnection.db": "database.external.name",
    "data.metadataConnection.user": "database.external.user",
    "data.metadataConnection.sslmode": "database.external.sslMode",
    "data.metadataSecretName": "database.external.existingSecret",
    "fernetKeySecretName": "secrets.fernetKey.existingSecret",
    "apiSecretKeySecretName": "secrets.apiSecretKey.existingSecret",
    "dags.gitSync.enabled": "gitSync.enabled",
    "dags.gitSync.repo": "gitSync.repo",
    "dags.gitSync.branch": "gitSync.ref",
    "dags.gitSync.ref": "gitSync.ref",
    "dags.gitSync.subPath": "gitSync.subPath",
    "dags.gitSync.depth": "gitSync.depth",
    "dags.gitSync.period": "gitSync.period",
    "dags.persistence.enabled": "dagsVolume.enabled",
    "dags.persistence.existingClaim": "dagsVolume.existingClaim",
    "dags.persistence.size": "dagsVolume.size",
    "dags.persistence.storageClassName": "dagsVolume.className",
    "ingress.apiServer.enabled": "apiServer.ingress.enabled",
    "ingress.apiServer.annotations": "apiServer.ingress.annotations",
    "ingress.apiServer.ingressClassName": "apiServer.ingress.className",
    "ingress.apiServer.path": "apiServer.ingress.path",
    "apiServer.hpa.enabled": "apiServer.autoscaling.enabled",
    "apiServer.hpa.minReplicaCount": "apiServer.autoscaling.minReplicas",
    "apiServer.hpa.maxReplicaCount": "apiServer.autoscaling.maxReplicas",
    "apiServer.hpa.metrics": "apiServer.autoscaling.metrics",
    "apiServer.service.type": "apiServer.service.type",
    "createUserJob.defaultUser.username": "adminUser.username",
    "createUserJob.defaultUser.enabled": "adminUser.enabled",
    "triggerer.enabled": "triggerer.enabled",
    "pgbouncer.enabled": "pgbouncer.enabled",
    "pgbouncer.maxClientConn": "pgbouncer.parameters.max_client_conn",
    "pgbouncer.metadataPoolSize": "pgbouncer.parameters.default_pool_size",
    "databaseCleanup.enabled": "dbCleanup.enabled",
    "databaseCleanup.schedule": "dbCleanup.schedule",
    "databaseCleanup.retentionDays": "dbCleanup.retentionDays",
    "networkPolicies.enabled": "networkPolicy.enabled",
    "statsd.enabled": "metrics.enabled",
    "statsd.resources": "metrics.resources",
}
REASONS = {
    "redis": "there is no Celery: a pod per task needs no broker",
    "flower": "there is no Celery",
    "workers": "there are no workers; shapes of task pods are executor.podTemplate and profiles",
    "cleanup": "the executor deletes ended pods itself",
    "statsd": "the exporter names metrics as docs/metrics.md says, and has no settings of its own",
    "logs": "logs lie in /tmp of their pod: airflow.config.logging keeps them elsewhere",
    "postgresql": "PostgreSQL runs unless database.external names another; its data does not move",
    "migrateDatabaseJob": "migrations are a plain Job that everything waits for, without settings",
    "createUserJob": "the migration Job creates the first user",
    "jwtSecret": "tokens are signed by an Ed25519 key: secrets.jwtPrivateKey, docs/install.md",
    "jwtSecretName": "tokens are signed by an Ed25519 key: secrets.jwtPrivateKey, docs/install.md",
    "multiNamespaceMode": "list the namespaces in executor.namespaces; no ClusterRole is needed",
    "quotas": "write a ResourceQuota into extraObjects",
    "limits": "write a LimitRange into extraObjects",
    "fernetKey": "keys are not written into values: put it into a Secret, secrets.fernetKey",
    "webserverSecretKey": "Airflow 3 knows it as the API secret key: secrets.apiSecretKey",
    "data": "passwords are not written into values: database.external.existingSecret",
    "podTemplate": "executor.podTemplate has its parts as values; anything else under its spec",
    "securityContexts": "pods are restricted and read-only without a switch; ids are podSecurity",
    "uid": "set podSecurity.airflow.runAsUser",
    "gid": "set podSecurity.airflow.runAsGroup",
    "executor": "every task runs in a pod of its own: TradewindExecutor takes its place",
    "useStandardNaming": "names always begin with the release's",
    "airflowVersion": "the image decides",
}


@dataclass(slots=True)
class Migration:
    """Values of ours, and a sentence for each path of theirs that has no equivalent."""

    values: Values = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


def translated(file: str) -> tuple[str, str]:
    """Return our values as YAML and the remarks, one a line. Raises ConfigError."""
    try:
        official = yaml.safe_load(Path(file).read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read as values: {error}") from error
    if not isinstance(official, dict):
        raise ConfigError(f"{file} holds a {type(official).__name__}: values are a map")
    done = migrate(official)
    remarks = "".join(f"{path}: {sentence}\n" for path, sentence in done.remarks.items())
    return yaml.safe_dump(done.values, sort_keys=False), remarks


def migrate(official: Values) -> Migration:
    """Return the values of our chart that do what these do for the official one."""
    rest, done = copy.deepcopy(official), Migration()
    for step in (_executor, _environment, _pull_secrets, _hosts, _git_secret, _bundles):
        step(rest, done)
    for old, new in PATHS.items():
        _move(rest, old, done, new)
    for old, ours in COMPONENTS.items():
        for theirs, field_name in SAME_FIELDS.items():
            _move(rest, f"{old}.{theirs}", done, f"{ours}.{field_name}")
    _tasks(rest, done)
    _everywhere(rest, done)
    _finish(done)
    for path in _leaves(rest):
        done.remarks.setdefault(path, _reason(path))
    return done


def _executor(rest: Values, done: Migration) -> None:
    name = rest.pop("executor", None)
    if name == "LocalExecutor":
        put(done.values, "executor.class", name)
    elif name not in {None, "KubernetesExecutor"}:
        done.remarks["executor"] = REASONS["executor"]


def _environment(rest: Values, done: Migration) -> None:
    env: Values = {item["name"]: item["value"] for item in rest.pop("env", None) or []}
    for item in rest.pop("secret", None) or []:
        reference = {"name": item["secretName"], "key": item["secretKey"]}
        env[item["envName"]] = {"valueFrom": {"secretKeyRef": reference}}
    extra = rest.pop("extraEnv", None)
    if isinstance(extra, str):
        extra = yaml.safe_load(extra)
    for item in extra or []:
        env[item["name"]] = item.get("value", {"valueFrom": item.get("valueFrom")})
    if env:
        # Theirs reach components and tasks alike.
        put(done.values, "airflow.env", env)
        put(done.values, "executor.podTemplate.env", copy.deepcopy(env))


def _pull_secrets(rest: Values, done: Migration) -> None:
    names = [item["name"] for item in rest.pop("imagePullSecrets", None) or []]
    if name := take(rest, "registry.secretName"):
        names.append(name)
    if names:
        put(done.values, "imagePullSecrets", names)


def _hosts(rest: Values, done: Migration) -> None:
    hosts = take(rest, "ingress.apiServer.hosts") or []
    names = [host if isinstance(host, str) else host["name"] for host in hosts]
    if names:
        put(done.values, "apiServer.ingress.hosts", names)
    secrets = [
        host["tls"]["secretName"]
        for host in hosts
        if isinstance(host, dict) and (host.get("tls") or {}).get("enabled")
    ]
    if secrets:
        put(done.values, "apiServer.ingress.tlsSecret", secrets[0])


def _git_secret(rest: Values, done: Migration) -> None:
    for path, keys in {
        "dags.gitSync.credentialsSecret": "username and password",
        "dags.gitSync.sshKeySecret": "ssh and known_hosts",
    }.items():
        if name := take(rest, path):
            put(done.values, "gitSync.existingSecret", name)
            done.remarks[path] = f"Secret {name} needs the keys {keys}"


def _bundles(rest: Values, done: Migration) -> None:
    for item in take(rest, "dagProcessor.dagBundleConfigList") or []:
        bundle = {"classpath": item["classpath"], "kwargs": item.get("kwargs", {})}
        put(done.values, f"airflow.dagBundles.{item['name']}", bundle)


def _tasks(rest: Values, done: Migration) -> None:
    for prefix in ("workers", "workers.kubernetes"):
        _move(
            rest,
            f"{prefix}.serviceAccount.annotations",
            done,
            "executor.serviceAccount.annotations",
        )
        for theirs, ours in (SAME_FIELDS | TASK_FIELDS).items():
            if ours and theirs not in {"replicas", "podDisruptionBudget.config"}:
                _move(rest, f"{prefix}.{theirs}", done, f"executor.podTemplate.{ours}")


def _everywhere(rest: Values, done: Migration) -> None:
    """Where theirs are said once for all pods, ours are said for each component."""
    for name in ("nodeSelector", "affinity", "tolerations", "topologySpreadConstraints"):
        value = take(rest, name)
        if not value:
            continue
        places = [*dict.fromkeys(COMPONENTS.values()), "migrations", "executor.podTemplate"]
        for place in places:
            if find(done.values, f"{place}.{name}") is None:
                put(done.values, f"{place}.{name}", copy.deepcopy(value))


def _finish(done: Migration) -> None:
    """Repair what the rows above could not know of each other."""
    external = find(done.values, "database.external") or {}
    if "existingSecret" in external:
        put(done.values, "database.external", {"existingSecret": external["existingSecret"]})
        put(done.values, "database.external.uriKey", "connection")
        if find(done.values, "pgbouncer.enabled"):
            # Theirs holds the address of the pool itself.
            put(done.values, "pgbouncer.enabled", value=False)
            done.remarks["pgbouncer.enabled"] = (
                "a complete URL cannot be pooled: set database.external.host and user instead"
            )
    elif external.get("host"):
        put(done.values, "database.external.existingSecret", "airflow-database")
        done.remarks["data.metadataConnection.pass"] = (
            "create Secret airflow-database with the key password"
        )
    elif external:
        done.values.pop("database")
    if not find(done.values, "dagsVolume.enabled"):
        done.values.pop("dagsVolume", None)
    config = find(done.values, "airflow.config") or {}
    for section, option in (("core", "executor"), ("core", "fernet_key"), ("api", "secret_key")):
        (config.get(section) or {}).pop(option, None)


def _move(rest: Values, old: str, done: Migration, new: str) -> None:
    value = take(rest, old)
    if value is None or value in ("", [], {}):
        return
    put(done.values, new, value)


def _reason(path: str) -> str:
    found = REASONS.get(path) or REASONS.get(path.split(".", maxsplit=1)[0])
    return found or "no equivalent: see docs/values.md, or write it under spec or extraObjects"


def find(values: Values, path: str) -> Any:
    """Return what stands at a dotted path, or None."""
    for name in path.split("."):
        if not isinstance(values, dict) or name not in values:
            return None
        values = values[name]
    return values


def take(values: Values, path: str) -> Any:
    """Remove and return what stands at a dotted path, or None."""
    parent, _, name = path.rpartition(".")
    owner = find(values, parent) if parent else values
    return owner.pop(name, None) if isinstance(owner, dict) else None


def put(values: Values, path: str, value: Any) -> None:
    """Set a dotted path, making what is missing on the way."""
    *parents, last = path.split(".")
    for name in parents:
        values = values.setdefault(name, {})
    values[last] = value


def _leaves(values: Values, *, below: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, below=f"{below}{name}.")
        elif value is not None and value not in ("", [], {}):
            yield f"{below}{name}"
