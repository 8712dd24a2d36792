"""airflow.cfg, and what of it reaches tasks."""

from __future__ import annotations

import json

import pytest
import yaml
from rendered import config_of, environment, of_kind, own_container, pod_of, pods, task_templates


def task_environment(documents):
    (template,) = task_templates(documents)
    assert own_container(template)["name"] == "base"
    return environment(own_container(template))


def test_tasks_get_the_configuration_of_tasks_alone(render):
    """A section of the server in a task's environment is noise at best, an address at worst."""
    names = {n for n in task_environment(render("everything-on")) if n.startswith("AIRFLOW__")}
    assert names == {
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__LOAD_EXAMPLES",
        "AIRFLOW__CORE__PARALLELISM",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_LOG_TARGET",
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS",
        "AIRFLOW__METRICS__LEGACY_NAMES_ON",
        "AIRFLOW__METRICS__METRICS_BLOCK_LIST",
        "AIRFLOW__METRICS__STATSD_HOST",
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED",
        "AIRFLOW__METRICS__STATSD_ON",
        "AIRFLOW__METRICS__STATSD_PORT",
        "AIRFLOW__METRICS__STATSD_PREFIX",
        "AIRFLOW__TRADEWIND__LOKI_ENVIRONMENT",
        "AIRFLOW__TRADEWIND__LOKI_FLUSH_TIMEOUT",
        "AIRFLOW__TRADEWIND__LOKI_TENANT",
        "AIRFLOW__TRADEWIND__LOKI_URL",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT",
    }


def test_tasks_and_dag_processor_see_the_same_bundles(documents):
    if not task_templates(documents):
        return  # Tasks run in the scheduler, with its own configuration.
    env, config = task_environment(documents), config_of(documents)
    listed = env["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"]["value"]
    assert listed == config["dag_processor"]["dag_bundle_config_list"]
    assert json.loads(listed)[0]["classpath"]
    examples = env["AIRFLOW__CORE__LOAD_EXAMPLES"]["value"].lower()
    assert examples == config["core"]["load_examples"].lower()
    url = env["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"]["value"]
    assert url == config["core"]["execution_api_server_url"]


@pytest.mark.parametrize(
    ("case", "url"),
    [
        pytest.param("default", "http://tradewind-api-server:8080/execution/", id="short-name"),
        # Further away the short name leads nowhere.
        pytest.param(
            "task-namespaces", "http://tradewind-api-server.tradewind:8080/execution/", id="away"
        ),
        pytest.param(
            "high-availability", "http://tradewind-execution-api:8080/execution/", id="separate"
        ),
    ],
)
def test_execution_url_leads_to_the_service(render, case, url):
    documents = render(case)
    assert config_of(documents).get("core", "execution_api_server_url") == url
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    (service,) = [
        d for d in of_kind(documents, "Service") if d["metadata"]["name"] == host.split(".")[0]
    ]
    assert service["spec"]["ports"][0]["port"] == int(port)


def test_pods_board_where_plugins_are_loaded(render):
    """An API server of the execution API alone answers 404 there."""
    separate = config_of(render("high-availability"))["tradewind"]
    assert separate["boarding_url"] == "http://tradewind-api-server:8080/tradewind/v1/board"
    assert "boarding_url" not in config_of(render("default"))["tradewind"]


def test_executors_find_their_own_section(render):
    assert config_of(render("default"))["tradewind"]["namespace"] == "tradewind"
    upstream = config_of(render("upstream-executor"))
    assert upstream["kubernetes_executor"]["pod_template_file"] == "/etc/airflow/pod_template.yaml"
    assert upstream.getboolean("kubernetes_executor", "delete_worker_pods")
    local = config_of(render("local-executor"))
    assert local["core"]["executor"] == "LocalExecutor"
    assert not {"tradewind", "kubernetes_executor"} & set(local.sections())
    both = config_of(render("two-executors"))
    assert both["tradewind"]["pod_template_file"] == "/etc/airflow/pod_template.yaml"


def test_pods_carry_one_name_before_there_is_a_janitor_and_with_it(render):
    """Else those that are there when it comes would be nobody's for ever."""
    for case in ("default", "own-loki"):
        assert config_of(render(case))["tradewind"]["installation"] == "tradewind.tradewind"


def test_shapes_of_tasks_are_files_beside_the_template(render):
    documents = render("task-shapes")
    (template,) = [d for d in of_kind(documents, "ConfigMap") if "profiles.yaml" in d["data"]]
    config = config_of(documents)["tradewind"]
    assert config["profiles"] == "/etc/airflow/profiles.yaml"
    assert config["queues"] == "/etc/airflow/queues.yaml"
    assert config["priority_classes"] == "/etc/airflow/priority_classes.yaml"
    data = template["data"]
    assert set(yaml.safe_load(data["profiles.yaml"])) == {"small", "gpu"}
    assert yaml.safe_load(data["queues.yaml"]) == {"models": {"profile": "gpu"}}
    assert yaml.safe_load(data["priority_classes.yaml"]) == {"0": "batch", "100": "urgent"}
    names = [source["configMap"]["name"] for source in mounted_config(documents)]
    assert template["metadata"]["name"] in names


def mounted_config(documents):
    volumes = pod_of(documents, "scheduler")["spec"]["volumes"]
    (config,) = [volume for volume in volumes if volume["name"] == "config"]
    return config["projected"]["sources"]


def test_namespaces_of_tasks_are_listed_so_that_no_cluster_role_is_needed(render):
    config = config_of(render("task-namespaces"))["tradewind"]
    assert config["multi_namespace_mode"] == "True"
    assert config["multi_namespace_mode_namespace_list"] == "tradewind,team-a,team-b"


def test_every_bundle_has_a_processor_of_its_own(render):
    arguments = [
        own_container(pod)["args"]
        for component, pod in pods(render("dags-volume"))
        if component == "dag-processor"
    ]
    assert arguments == [
        ["airflow", "dag-processor", "--bundle-name", "dags"],
        ["airflow", "dag-processor", "--bundle-name", "legacy_jobs"],
    ]


def test_the_repository_is_where_the_bundle_looks(render):
    documents = render("git-sync")
    listed = json.loads(config_of(documents)["dag_processor"]["dag_bundle_config_list"])
    assert listed[0]["kwargs"] == {"path": "/opt/git/current/dags"}
    for component, container in [("dag-processor", "git-sync"), ("task", "git-clone")]:
        pod = pod_of(documents, component)
        (found,) = [c for c in pod["spec"]["initContainers"] if c["name"] == container]
        assert "--root=/opt/git" in found["args"]
        assert "--link=current" in found["args"]
        assert ("--one-time" in found["args"]) == (component == "task")
        mounts = {m["mountPath"]: m for m in own_container(pod)["volumeMounts"]}
        assert mounts["/opt/git"]["readOnly"]


def test_components_reach_the_database_through_the_pool_and_migrations_do_not(render):
    documents = render("high-availability")
    variable = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    for component, pod in pods(documents):
        env = environment(own_container(pod))
        if variable not in env:
            continue
        address = env[variable]["value"].split("@")[1]
        direct = component == "migrate"
        expected = "db.example.com:5432" if direct else "tradewind-pgbouncer:6432"
        assert address == f"{expected}/airflow", component
        # The pool speaks to the server over TLS, not to its clients.
        assert ("PGSSLMODE" in env) == direct, component


def test_large_numbers_stay_numbers(render):
    assert config_of(render("everything-on")).get("core", "parallelism") == "2000000"
    scheduler = own_container(pod_of(render("everything-on"), "scheduler"))
    assert environment(scheduler)["NUMBER"]["value"] == "1000000"


def test_fields_of_pods_and_containers_go_over_ours(render):
    pod = pod_of(render("everything-on"), "scheduler")
    container = own_container(pod)
    assert pod["spec"]["hostAliases"][0]["ip"] == "192.0.2.1"
    assert container["livenessProbe"]["periodSeconds"] == 45
    assert container["livenessProbe"]["httpGet"]["path"] == "/health"
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 3}}}


def test_certificates_of_a_company_are_trusted_by_components_and_tasks(render):
    for component, pod in pods(render("everything-on")):
        container = own_container(pod)
        if component in {"postgresql", "pgbouncer", "metrics", "loki"}:
            continue
        assert environment(container)["SSL_CERT_FILE"]["value"] == "/etc/tradewind/ca/ca-bundle.crt"
        assert "/etc/tradewind/ca" in {m["mountPath"] for m in container["volumeMounts"]}


def test_a_container_beside_a_task_ends_with_it(render):
    (task,) = task_templates(render("task-shapes"))
    (proxy,) = task["spec"]["initContainers"]
    assert proxy["restartPolicy"] == "Always"
    # What the values leave out is filled in, so that the namespace accepts it.
    assert proxy["securityContext"]["readOnlyRootFilesystem"]
