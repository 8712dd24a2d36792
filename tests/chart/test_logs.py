"""Where logs go: who sends them, who reads them, who knows the password."""

from __future__ import annotations

import pytest
from rendered import config_of, environment, own_container, pods

WRAPPER = ["python", "-m", "tradewind.component"]
URL = "AIRFLOW__TRADEWIND__LOKI_URL"
CLASS = "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS"
JSON = "AIRFLOW__LOGGING__JSON_LOGS"
COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer"}


def own(documents):
    """Return component -> its own container."""
    return {component: own_container(pod) for component, pod in pods(documents)}


def having(documents, name):
    """Return the components with a variable."""
    return {component for component, found in own(documents).items() if name in environment(found)}


def wrapped(documents):
    """Return the components whose output is sent, by the name under which it is."""
    return {
        component: container["args"][3]
        for component, container in own(documents).items()
        if container.get("args", [])[:3] == WRAPPER
    }


def test_without_loki_nobody_sends_and_nobody_is_told_of_one(render):
    assert wrapped(render("default")) == {}
    assert having(render("default"), URL) == set()
    # The log view has more to show than a log.
    assert having(render("default"), CLASS) == {"api-server"}


@pytest.mark.parametrize(
    ("case", "senders"),
    [
        pytest.param("own-loki", COMPONENTS | {"janitor"}, id="own"),
        pytest.param("loki", COMPONENTS, id="named"),
        pytest.param("everything-on", COMPONENTS | {"execution-api", "janitor"}, id="everything"),
    ],
)
def test_components_send_what_they_print_and_tasks_what_they_log(render, case, senders):
    documents = render(case)
    assert wrapped(documents) == {component: component for component in senders}
    assert having(documents, URL) == senders | {"task"}
    assert having(documents, CLASS) == {"api-server", "triggerer", "task"}
    # What parsing logs would else be a file in a pod.
    assert config_of(documents)["logging"]["dag_processor_log_target"] == "stdout"


def test_the_program_of_a_component_is_the_one_it_runs_without_loki(render):
    plain, sent = own(render("default")), own(render("own-loki"))
    for component in COMPONENTS:
        assert sent[component]["args"][4:] == plain[component]["args"]
    assert sent["janitor"]["command"] == ["catatonit", "--"]
    assert sent["janitor"]["args"][4:] == ["tradewind", "janitor", "run"]


def test_tasks_of_a_local_executor_send_their_logs_from_the_scheduler(render_values):
    words = ["--set=executor.class=LocalExecutor", "--set=loki.enabled=true"]
    assert CLASS in environment(own(render_values(*words))["scheduler"])


def test_the_password_is_with_those_who_send_or_read_and_with_nobody_else(render):
    holders = {
        component
        for component, pod in pods(render("loki"))
        if "loki" in {volume["name"] for volume in pod["spec"]["volumes"]}
    }
    assert holders == COMPONENTS | {"task"}


def test_with_a_collector_only_api_servers_know_loki_and_everybody_prints_json(render):
    documents = render("collector")
    assert wrapped(documents) == {}
    assert having(documents, URL) == having(documents, CLASS) == {"api-server"}
    assert having(documents, JSON) == COMPONENTS | {"task"}


def test_the_log_view_alone_is_told_of_grafana(render):
    documents = render("collector")
    assert having(documents, "AIRFLOW__TRADEWIND__GRAFANA_URL") == {"api-server"}
    found = environment(own(documents)["api-server"])
    assert found["AIRFLOW__TRADEWIND__GRAFANA_DATASOURCE"]["value"] == "loki-prod"


def test_elasticsearch_is_airflows_own_and_its_password_the_api_servers(render):
    documents = render("elasticsearch")
    config = config_of(documents)
    assert config.getboolean("logging", "remote_logging")
    assert config.getboolean("elasticsearch", "write_stdout")
    task = environment(own(documents)["task"])
    assert task["AIRFLOW__LOGGING__REMOTE_LOGGING"]["value"] in {"true", "True"}
    assert task["AIRFLOW__ELASTICSEARCH__WRITE_STDOUT"]["value"] in {"true", "True"}
    assert task["AIRFLOW__ELASTICSEARCH__HOST"]["value"] == "http://elasticsearch.logging:9200"
    assert CLASS not in task
    secret = environment(own(documents)["api-server"])["AIRFLOW__ELASTICSEARCH__HOST"]
    assert secret["valueFrom"]["secretKeyRef"] == {"name": "elasticsearch", "key": "url"}
