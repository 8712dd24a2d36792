"""Render the chart with the real programs: HELM3, HELM4, KUBECONFORM, HELM_UNITTEST name them."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import definitions
import pytest
import yaml
from rendered import CASES, CHART, LOADER, Document

# Helm assumes a Kubernetes of its own build; the chart refuses versions that it does not support.
KUBERNETES = "1.36.0"
NEIGHBOURS = [
    ("gateway-api", "config/crd/standard/*httproutes.yaml"),
    ("prometheus-operator", "example/prometheus-operator-crd/*_podmonitors.yaml"),
    ("prometheus-operator", "example/prometheus-operator-crd/*_prometheusrules.yaml"),
    ("prometheus-operator", "example/prometheus-operator-crd/*_servicemonitors.yaml"),
]
"""Go modules of whom the chart has objects for, and where their definitions are."""


def program(variable: str) -> str:
    """Return the path that the environment names, or fail with what to do."""
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable}={path!r} is no program: run the tests with `./task test:chart`")
    return path


def helm_template(
    helm: str, *arguments: str, chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """Render release tradewind in namespace tradewind, as on a cluster that knows Secrets."""
    return helm_offline(helm, "--api-versions=v1/Secret", *arguments, chart=chart)


def helm_offline(
    helm: str, *arguments: str, chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """Render as where no cluster is asked."""
    command = [program(helm), "template", "tradewind", str(chart), "--namespace=tradewind"]
    return subprocess.run(
        [*command, f"--kube-version={KUBERNETES}", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@functools.cache
def rendered(helm: str, case: str) -> str:
    """Return the manifests of a case as text; rendered once a session."""
    result = helm_template(helm, f"--values={CASES[case]}")
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(params=["HELM3", "HELM4"])
def helm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def template(helm: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Render with any arguments; the caller judges the result."""
    return functools.partial(helm_template, helm)


@pytest.fixture
def offline(helm: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Render as where no cluster is asked."""
    return functools.partial(helm_offline, helm)


@pytest.fixture(params=CASES)
def manifests(request: pytest.FixtureRequest) -> str:
    """Every case by Helm 4; test_stability.py holds Helm 3 to the same documents."""
    return rendered("HELM4", request.param)


@functools.cache
def parsed(manifests: str) -> list[Document]:
    """Return the documents of a text; parsed once a session, so nobody may change them."""
    found = [document for document in yaml.load_all(manifests, LOADER) if document]
    assert found, "nothing was rendered"
    return found


@pytest.fixture
def documents(manifests: str) -> list[Document]:
    return parsed(manifests)


@pytest.fixture
def render_with() -> Callable[[str, str], list[Document]]:
    """Return the documents of one named case by one Helm version."""
    return lambda helm, case: parsed(rendered(helm, case))


@pytest.fixture
def render() -> Callable[[str], list[Document]]:
    """Return the documents of one named case."""
    return lambda case: parsed(rendered("HELM4", case))


@pytest.fixture
def render_values() -> Callable[..., list[Document]]:
    """Return the documents of `--set` and `--set-json` words on top of the defaults."""

    def documents(*words: str) -> list[Document]:
        result = helm_template("HELM4", *words)
        assert result.returncode == 0, result.stderr
        return [document for document in yaml.load_all(result.stdout, LOADER) if document]

    return documents


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """Return a function from Kubernetes version to kubeconform's options: where schemas are."""
    folder = tmp_path_factory.mktemp("schemas")
    neighbours = definitions.write(tmp_path_factory.mktemp("others"), NEIGHBOURS)

    @functools.cache
    def locations(version: str) -> list[str]:
        script = str(Path(__file__).with_name("schemas.py"))
        done = subprocess.run(
            [sys.executable, script, str(folder), version],
            capture_output=True,
            text=True,
            check=True,
        )
        return [f"-schema-location={where}" for where in (done.stdout.strip(), neighbours)]

    return locations


@pytest.fixture(scope="session")
def kubeconform() -> str:
    return program("KUBECONFORM")


@pytest.fixture(scope="session")
def helm_unittest() -> str:
    return program("HELM_UNITTEST")
