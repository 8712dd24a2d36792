"""Queries of dashboards and alerts as the chart ships them, and what metrics they may speak of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from rendered import CHART, REPOSITORY

CONTRACT = REPOSITORY / "docs" / "contract.md"
DASHBOARDS = sorted(CHART.glob("files/dashboards/*.json"))
ALERTS = CHART / "files" / "alerts.yaml"
MAPPING = CHART / "files" / "statsd-mapping.yaml"
NAMESPACE = "tradewind"
VARIABLES = {
    "$__rate_interval": "5m",
    "$__range": "6h",
    "$namespace": NAMESPACE,
    "$dag_id": ".*",
    "$core_hour": "0.03",
    "$gib_hour": "0.004",
}
ENDINGS = {"counter": ("_total",), "gauge": ("",), "timer": ("_seconds_bucket",)}
ROW = re.compile(r"^\| `([a-z_.]+)` \| (counter|gauge|timer) \| [^|]* \| ([^|]*) \|", re.MULTILINE)
METRIC = re.compile(r"\b(?:tradewind|kubernetes_executor|airflow)_[a-z0-9_]+")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


def alerts() -> list[dict[str, Any]]:
    """Return the rules as Prometheus gets them for a release in namespace tradewind."""
    text = ALERTS.read_text().replace("$scope", f'namespace="{NAMESPACE}"')
    found = yaml.safe_load(text.replace("$runbooks", "docs/runbooks"))
    rules: list[dict[str, Any]] = found["groups"][0]["rules"]
    return rules


def panels(dashboard: Path) -> list[dict[str, Any]]:
    """Return the panels of a dashboard, headings too."""
    found: list[dict[str, Any]] = json.loads(dashboard.read_text())["panels"]
    return found


def queries(dashboard: Path) -> dict[str, str]:
    """Return panel and letter -> query, with values for Grafana's variables."""
    return {
        f"{panel['title']} {target['refId']}": filled(target["expr"])
        for panel in panels(dashboard)
        for target in panel.get("targets", [])
    }


def filled(query: str) -> str:
    """Return a query with values for Grafana's variables."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query


def series() -> dict[str, set[str]]:
    """Return the Prometheus names of all metrics of the contract, with the labels they have."""
    found = {}
    for name, kind, cells in ROW.findall(CONTRACT.read_text()):
        labels = set(re.findall(r"`(\w+)`", cells))
        labels |= {"namespace", "sender"} | ({"le"} if kind == "timer" else set())
        # Prometheus' own label of that name wins.
        labels |= {"exported_namespace"} if "`namespace`" in cells else set()
        for ending in ENDINGS[kind]:
            found[name.replace(".", "_") + ending] = labels
    return found
