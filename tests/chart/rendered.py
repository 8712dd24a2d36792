"""What tests ask of rendered documents: pods, containers, configuration. Shared by test modules."""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "chart"
VALUES = Path(__file__).parent / "values"
# Every scenario that the chart documents, the developer's environment, and everything at once.
CASES = {
    **{file.name.removesuffix("-values.yaml"): file for file in sorted(CHART.glob("ci/*.yaml"))},
    "dev": REPOSITORY / "environments/dev/values.yaml",
    "everything-on": VALUES / "everything-on.yaml",
}

Document = dict[str, Any]
# libyaml's, ten times the speed; as safe as the other.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Kinds that Kubernetes does not define itself.
CUSTOM = {"HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor"}
STARTS_PODS = {"Deployment", "StatefulSet", "Job", "CronJob"}


def task_templates(documents: list[Document]) -> list[Document]:
    """Return the pod templates that ConfigMaps carry for the executor."""
    return [
        next(yaml.load_all(document["data"]["pod_template.yaml"], LOADER))
        for document in of_kind(documents, "ConfigMap")
        if "pod_template.yaml" in document.get("data", {})
    ]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield component and pod (metadata, spec) of everything that starts one, tasks included."""
    for document in documents:
        if document["kind"] in STARTS_PODS:
            spec = document["spec"]
            template = spec.get("jobTemplate", {}).get("spec", spec)["template"]
            yield template["metadata"]["labels"]["app.kubernetes.io/component"], template
        elif document["kind"] == "Pod":
            yield document["metadata"]["labels"]["app.kubernetes.io/component"], document
    for template in task_templates(documents):
        yield "task", template


def all_containers(pod: Document) -> list[Document]:
    """Return the containers of a pod, init containers first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def containers(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Yield component/container and container, init containers included."""
    for component, pod in pods(documents):
        for container in all_containers(pod):
            yield f"{component}/{container['name']}", container


def environment(container: Document) -> dict[str, Any]:
    """Return the variables of a container by name."""
    return {entry["name"]: entry for entry in container.get("env", [])}


def pod_of(documents: list[Document], component: str) -> Document:
    """Return the first pod of a component."""
    return next(pod for name, pod in pods(documents) if name == component)


def own_container(pod: Document) -> Document:
    """Return the one container that is no init container."""
    (container,) = pod["spec"]["containers"]
    found: Document = container
    return found


def config_of(documents: list[Document]) -> configparser.ConfigParser:
    """Return airflow.cfg, read as Airflow reads it."""
    config = configparser.ConfigParser()
    config.read_string(
        next(
            document["data"]["airflow.cfg"]
            for document in of_kind(documents, "ConfigMap")
            if "airflow.cfg" in document.get("data", {})
        )
    )
    return config


def of_kind(documents: list[Document], kind: str) -> list[Document]:
    """Return the documents of one kind."""
    return [document for document in documents if document["kind"] == kind]
