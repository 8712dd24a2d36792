"""What holds for every document of every installation, rendered by both Helm versions."""

from __future__ import annotations

import base64
import collections
import configparser
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Document = dict[str, Any]

KUBERNETES_VERSIONS = ["1.30", "1.36"]
COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer", "migrate", "postgresql"}
DATABASE_VARIABLES = {"PGPASSWORD", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}


def task_templates(documents: list[Document]) -> list[Document]:
    """Return the pod templates that ConfigMaps carry for the executor."""
    return [
        yaml.safe_load(document["data"]["pod_template.yaml"])
        for document in documents
        if document["kind"] == "ConfigMap" and "pod_template.yaml" in document["data"]
    ]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield component and pod (metadata, spec) of everything that starts one, tasks included."""
    for document in documents:
        if document["kind"] in {"Deployment", "StatefulSet", "Job"}:
            template = document["spec"]["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template
    for template in task_templates(documents):
        yield "task", template


def containers(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield component/container and container, init containers included."""
    for component, pod in pods(documents):
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            yield f"{component}/{container['name']}", container


def environment(container: Document) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container.get("env", [])}


def pod_of(documents: list[Document], component: str) -> Document:
    return next(pod for name, pod in pods(documents) if name == component)


def config_of(documents: list[Document]) -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read_string(
        next(
            document["data"]["airflow.cfg"]
            for document in documents
            if document["kind"] == "ConfigMap" and "airflow.cfg" in document["data"]
        )
    )
    return config


def test_every_component_is_there(render):
    found = {component for component, _ in pods(render("default"))}
    assert found == COMPONENTS | {"task"}


def test_every_pod_is_restricted(documents):
    for component, pod in pods(documents):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, component
        assert context["runAsUser"] >= 1000, component
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for banned in ("hostNetwork", "hostPID", "hostIPC"):
            assert banned not in pod["spec"], component
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
        assert kinds <= allowed, component


def test_every_container_is_restricted_and_read_only(documents):
    for name, container in containers(documents):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }, name


def test_every_container_can_write_to_tmp_and_only_within_a_limit(documents):
    for component, pod in pods(documents):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["tmp"]["emptyDir"]["sizeLimit"], component
    for name, container in containers(documents):
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounted["/tmp"] == "tmp", name


def test_every_container_has_requests_a_memory_limit_and_no_cpu_limit(documents):
    for name, container in containers(documents):
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}, name
        assert set(resources["limits"]) == {"memory"}, name


def test_no_list_holds_a_name_twice(documents):
    """Server-side apply refuses duplicates."""
    keys = collections.Counter(
        (document["kind"], document["metadata"]["name"]) for document in documents
    )
    assert [key for key, times in keys.items() if times > 1] == []
    for component, pod in pods(documents):
        lists = [("volumes", [volume["name"] for volume in pod["spec"]["volumes"]])]
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            lists.append(("env", [entry["name"] for entry in container.get("env", [])]))
            lists.append(("mounts", [mount["mountPath"] for mount in container["volumeMounts"]]))
        for what, names in lists:
            assert len(names) == len(set(names)), (component, what, names)


def test_every_mount_has_its_volume(documents):
    for component, pod in pods(documents):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        volumes |= {"data"} if component == "postgresql" else set()
        for container in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, component


def test_every_object_carries_the_release_labels_and_namespace(documents):
    for document in documents:
        labels = document["metadata"]["labels"]
        name = document["metadata"]["name"]
        for label in ("name", "instance", "component", "managed-by", "version"):
            assert labels[f"app.kubernetes.io/{label}"], name
        assert labels["app.kubernetes.io/managed-by"] == "Helm", name
        assert document["metadata"]["namespace"] == "tradewind", name
        assert name.startswith("tradewind-"), name
        assert len(name) <= 63, name


def test_selectors_pick_exactly_their_own_pods(documents):
    labels = [pod["metadata"]["labels"] for _, pod in pods(documents)]
    for document in documents:
        selector = document.get("spec", {}).get("selector")
        if selector is None:
            continue
        wanted = selector.get("matchLabels", selector)
        picked = [pod for pod in labels if wanted.items() <= pod.items()]
        assert len(picked) == 1, document["metadata"]["name"]


def test_every_reference_to_an_own_object_is_met(documents):
    own = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for component, pod in pods(documents):
        assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in own, component
    text = "\n".join(json.dumps(pod) for _, pod in pods(documents))
    for kind, name in sorted(own):
        if kind in {"Secret", "ConfigMap"} and not name.endswith("-pod-template"):
            assert f'"{name}"' in text, f"{kind} {name} is used by nobody"


def test_tokens_are_mounted_only_where_pods_are_read_or_made(render):
    expected = {"default": {"scheduler", "api-server"}, "local-executor": set()}
    for case, mounted in expected.items():
        found = {
            component
            for component, pod in pods(render(case))
            if pod["spec"]["automountServiceAccountToken"]
        }
        assert found == mounted, case
        for document in render(case):
            if document["kind"] == "ServiceAccount":
                assert document["automountServiceAccountToken"] is False


def test_roles_allow_what_launching_takes_and_no_more(render):
    roles = {
        document["metadata"]["name"]: {
            (resource, verb)
            for rule in document["rules"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        }
        for document in render("default")
        if document["kind"] == "Role"
    }
    pod_verbs = ("create", "delete", "get", "list", "patch", "watch")
    assert roles == {
        "tradewind-scheduler": {("pods", verb) for verb in pod_verbs}
        | {("pods/log", "get"), ("events", "list"), ("events", "watch")},
        "tradewind-api-server": {("pods", "get"), ("pods", "list"), ("pods/log", "get")},
    }


def test_nothing_reaches_beyond_the_namespace(documents):
    assert not [d for d in documents if d["kind"].startswith("Cluster")]
    bound = {
        subject["name"]
        for document in documents
        if document["kind"] == "RoleBinding"
        for subject in document["subjects"]
    }
    assert bound <= {"tradewind-scheduler", "tradewind-api-server", "tradewind-janitor"}


def test_secrets_reach_only_those_who_need_them(render):
    readers = collections.defaultdict(set)
    for component, pod in pods(render("default")):
        for container in pod["spec"]["containers"]:
            for name, entry in environment(container).items():
                if "secretKeyRef" in entry.get("valueFrom", {}):
                    readers[name].add(component)
        for volume in pod["spec"]["volumes"]:
            if "secret" in volume:
                readers[volume["name"]].add(component)
    airflow = {"api-server", "scheduler", "dag-processor", "triggerer", "migrate"}
    assert readers == {
        "PGPASSWORD": airflow,
        "AIRFLOW__CORE__FERNET_KEY": airflow - {"migrate"},
        "AIRFLOW__API__SECRET_KEY": {"api-server", "triggerer"},
        "jwt": {"api-server", "scheduler"},
        "password": {"postgresql"},
        "TRADEWIND_ADMIN_USERNAME": {"migrate"},
        "TRADEWIND_ADMIN_PASSWORD": {"migrate"},
    }


def test_tasks_know_no_database_and_no_key(documents):
    for template in task_templates(documents):
        (container,) = template["spec"]["containers"]
        names = set(environment(container))
        assert not names & DATABASE_VARIABLES
        assert not {name for name in names if "KEY" in name or "JWT" in name}
        assert not [volume for volume in template["spec"]["volumes"] if "secret" in volume]


def test_tasks_get_the_configuration_of_tasks_alone(render):
    """A section of the server in a task's environment is noise at best, an address at worst."""
    (template,) = task_templates(render("everything-on"))
    (container,) = template["spec"]["containers"]
    assert {name for name in environment(container) if name.startswith("AIRFLOW__")} == {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
        "AIRFLOW__METRICS__STATSD_ON",
    }


def test_tasks_and_dag_processor_see_the_same_bundles(render):
    for case in ("default", "dev", "everything-on", "upstream-executor"):
        (template,) = task_templates(render(case))
        (container,) = template["spec"]["containers"]
        assert container["name"] == "base", case
        env = environment(container)
        config = config_of(render(case))
        listed = env["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]["value"]
        assert listed == config["dag_processor"]["dag_bundle_config_list"], case
        assert json.loads(listed)[0]["name"] in {"dags", "more"}, case
        examples = env["AIRFLOW__CORE__LOAD_EXAMPLES"]["value"].lower()
        assert examples == config["core"]["load_examples"].lower(), case
        url = env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]["value"]
        assert url == config["core"]["execution_api_server_url"], case


def test_execution_url_leads_to_the_service(documents):
    service = next(
        document
        for document in documents
        if document["kind"] == "Service" and document["metadata"]["name"].endswith("-api-server")
    )
    port = service["spec"]["ports"][0]["port"]
    url = config_of(documents).get("core", "execution_api_server_url")
    assert url == f"http://{service['metadata']['name']}:{port}/execution/"


def test_executors_find_their_own_section(render):
    assert config_of(render("default"))["tradewind"]["namespace"] == "tradewind"
    upstream = config_of(render("upstream-executor"))
    assert upstream["kubernetes_executor"]["pod_template_file"] == "/etc/airflow/pod_template.yaml"
    assert upstream.getboolean("kubernetes_executor", "delete_worker_pods")
    local = config_of(render("local-executor"))
    assert local["core"]["executor"] == "LocalExecutor"
    assert not {"tradewind", "kubernetes_executor"} & set(local.sections())


def test_large_numbers_stay_numbers(render):
    assert config_of(render("everything-on")).get("core", "parallelism") == "2000000"
    (container,) = pod_of(render("everything-on"), "scheduler")["spec"]["containers"]
    assert environment(container)["NUMBER"]["value"] == "1000000"


def test_generated_secrets_are_kept_and_well_formed(render):
    secrets = {d["metadata"]["name"]: d for d in render("default") if d["kind"] == "Secret"}
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
    for document in documents:
        if document["kind"] != "Secret":
            continue
        for key, encoded in document["data"].items():
            if key in {"username", "name"}:
                continue
            assert manifests.count(encoded) == 1, key
            assert base64.b64decode(encoded).decode() not in manifests, key


def test_nothing_is_generated_where_secrets_are_given(render):
    assert not [d for d in render("existing-secrets") if d["kind"] == "Secret"]


def test_readiness_waits_for_migrations_and_says_the_truth(documents):
    """`helm install --wait` means something only with these."""
    for component, pod in pods(documents):
        if component not in {"api-server", "scheduler", "dag-processor", "triggerer"}:
            continue
        (wait,) = pod["spec"]["initContainers"]
        assert "wait-migrations" in wait["command"], component
        (container,) = pod["spec"]["containers"]
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, component
        assert container["livenessProbe"]["periodSeconds"] >= 30, component
        if "httpGet" in startup:
            ports = {port["name"] for port in container["ports"]}
            assert startup["httpGet"]["port"] in ports, component
        else:
            assert "heartbeat" in startup["exec"]["command"], component
            assert "--ok-without-database" not in startup["exec"]["command"], component
            assert "--ok-without-database" in container["livenessProbe"]["exec"]["command"]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_accepts_every_document(
    manifests, documents, version, schema_folder, kubeconform
):
    location = schema_folder(version)
    templates = "".join(f"---\n{yaml.safe_dump(pod)}" for pod in task_templates(documents))
    result = subprocess.run(
        [kubeconform, "-strict", "-summary", "-output=json", f"-schema-location={location}"],
        input=manifests + templates,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(result.stdout)
    assert result.returncode == 0, report
    assert report["summary"]["valid"] == len(documents) + len(task_templates(documents)), report


def test_schema_check_can_fail(schema_folder, kubeconform, render):
    location = schema_folder(KUBERNETES_VERSIONS[-1])
    manifests = yaml.safe_dump_all(render("default"))
    broken = manifests.replace("enableServiceLinks:", "enableServiceLink:")
    assert broken != manifests
    result = subprocess.run(
        [kubeconform, "-strict", f"-schema-location={location}"],
        input=broken,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "additional properties 'enableServiceLink' not allowed" in result.stdout
