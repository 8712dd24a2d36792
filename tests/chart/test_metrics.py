"""Dashboards and alerts speak of metrics that exist, and every alert has its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from airflow._shared.observability import metrics as airflow_metrics
from metric_queries import (
    DASHBOARDS,
    GROUPED,
    MAPPING,
    METRIC,
    alerts,
    panels,
    queries,
    series,
)
from rendered import REPOSITORY, environment, of_kind, own_container, pods

RUNBOOKS = REPOSITORY / "docs" / "runbooks"
AIRFLOWS_OWN = Path(airflow_metrics.__file__).parent / "metrics_template.yaml"
COLUMNS = 24
QUERIES = {
    **{f"alert {rule['alert']}": rule["expr"] for rule in alerts()},
    **{
        f"{file.stem} {name}": query for file in DASHBOARDS for name, query in queries(file).items()
    },
}
every_query = pytest.mark.parametrize("name", QUERIES)
every_dashboard = pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)


@pytest.fixture(scope="module")
def known():
    """Series -> labels: of the contract, and of what Airflow declares."""
    declared = yaml.safe_load(AIRFLOWS_OWN.read_text())["metrics"]
    airflow = {f"airflow_{metric['name'].replace('.', '_')}": set() for metric in declared}
    return series() | {name: {"namespace", "sender"} for name in airflow}


@every_query
def test_every_query_asks_for_metrics_that_exist(known, name):
    asked = METRIC.findall(QUERIES[name])
    assert asked, "it asks for none"
    assert [metric for metric in asked if metric not in known] == []


@every_query
def test_every_query_groups_by_labels_that_its_metrics_have(known, name):
    have = set().union(*(known[metric] for metric in METRIC.findall(QUERIES[name])))
    asked = {
        label.strip() for group in GROUPED.findall(QUERIES[name]) for label in group.split(",")
    }
    assert asked <= have


@every_query
def test_every_query_is_about_one_release(name):
    """Without the namespace, releases of one cluster would be added up, and each alarm all."""
    query = QUERIES[name]
    selectors = re.findall(METRIC.pattern + r"(\{[^}]*\})?", query)
    assert all('namespace="tradewind"' in selector for selector in selectors), query


def test_a_metric_that_was_renamed_would_be_noticed(known):
    assert "tradewind_loop_alive" in known
    assert "tradewind_loop_lives" not in known
    assert known["tradewind_api_latency_seconds_bucket"] >= {"le", "verb"}
    assert known["tradewind_parked"] >= {"exported_namespace"}


def test_every_metric_of_the_contract_gets_the_name_that_the_contract_says():
    """The mapping's order decides: what the executor tells must not reach the catch-all."""
    mappings = yaml.safe_load(MAPPING.read_text())["mappings"]
    kinds = {"counter": "_total", "gauge": "", "observer": "_seconds"}
    for kind, ending in kinds.items():
        first = next(
            mapping
            for mapping in mappings
            if re.match(mapping["match"], "scheduler-1.tradewind.board.delivered")
            and mapping.get("match_metric_type", kind) == kind
        )
        found = re.match(first["match"], "scheduler-1.tradewind.board.delivered")
        name = re.sub(r"\$\{?2\}?", found[2], first["name"]).replace(".", "_")
        assert name == f"tradewind_board_delivered{ending}"
        assert first["labels"] == {"sender": "$1"}


@every_dashboard
def test_panels_lie_side_by_side_and_have_names_and_numbers_of_their_own(file):
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem
    found = panels(file)
    numbers = [panel["id"] for panel in found]
    assert len(numbers) == len(set(numbers))
    taken = set()
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


@every_dashboard
def test_dashboards_ask_the_prometheus_and_the_release_that_the_user_picks(file):
    board = json.loads(file.read_text())
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables >= {"datasource", "namespace"}
    for panel in panels(file):
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}"
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval", "__range"}
            assert used <= variables, panel["title"]


def test_every_alert_has_a_page_and_every_page_an_alert():
    named = {rule["alert"] for rule in alerts()}
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == named
    overview = (REPOSITORY / "docs" / "metrics.md").read_text()
    for rule in alerts():
        name = rule["alert"]
        text = (RUNBOOKS / f"{name}.md").read_text()
        assert text.startswith(f"# {name}\n\n")
        assert "\n1. " in text, f"{name} says nothing to do"
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
        assert f"(runbooks/{name}.md) | {rule['labels']['severity']}: " in overview


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert (page.parent / link).is_file(), link


def test_rules_and_dashboards_reach_the_cluster_as_they_are_written(render):
    documents = render("metrics")
    (rule,) = of_kind(documents, "PrometheusRule")
    assert rule["spec"]["groups"][0]["rules"] == alerts()
    (boards,) = [
        d for d in of_kind(documents, "ConfigMap") if d["metadata"]["name"].endswith("-dashboards")
    ]
    assert boards["data"] == {file.name: file.read_text() for file in DASHBOARDS}


def test_every_sender_tells_its_pods_name_and_tasks_tell_that_they_are_tasks(render):
    found = {
        component: environment(own_container(pod)).get("AIRFLOW__METRICS__STATSD_PREFIX")
        for component, pod in pods(render("metrics"))
    }
    by_pod = {"fieldRef": {"fieldPath": "metadata.name"}}
    for component in ("api-server", "scheduler", "dag-processor", "triggerer"):
        assert found[component]["valueFrom"] == by_pod, component
    assert found["task"]["value"] == "task"
