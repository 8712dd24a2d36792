"""The distribution beside nothing but Airflow: what it imports, and what it does without."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "executor" / "src").rglob("*.py"))
DISTRIBUTIONS = {
    "airflow": "apache-airflow",
    "jwt": "pyjwt",
    "prometheus_client": "prometheus-client",
    "yaml": "PyYAML",
}
"""Of packages that are named differently."""
OF_AIRFLOW = {"pydantic", "sqlalchemy"}
"""Airflow itself requires and offers them."""
OF_OTHERS = {"cryptography": "pyjwt", "starlette": "fastapi", "yarl": "aiohttp"}
"""Part of what a declared distribution offers, by that distribution."""


def at_import(node):
    """Yield what runs below a node when its module is imported, type checks aside."""
    for child in ast.iter_child_nodes(node):
        later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if later or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            continue
        yield child
        yield from at_import(child)


def named(nodes):
    """Return the modules that import statements name."""
    nodes = list(nodes)
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [
        node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_module_needs_the_kubernetes_client_or_a_provider_to_be_imported(source):
    names = named(at_import(ast.parse(source.read_text(encoding="utf-8"))))
    optional = ("kubernetes", "airflow.providers")
    assert [name for name in names if name.startswith(optional)] == []


def imported(source):
    """Return the packages that a file imports anywhere, without the standard library's and ours."""
    names = named(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"tradewind"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((ROOT / "executor" / "pyproject.toml").read_text(encoding="utf-8"))
    required = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"].values()
    declared = {re.split(r"[\[<>=]", one)[0] for one in itertools.chain(required, *extras)}
    packages = {name for source in SOURCES for name in imported(source)}
    assert {
        DISTRIBUTIONS.get(name, name) for name in packages - OF_AIRFLOW - set(OF_OTHERS)
    } == declared
    assert set(OF_OTHERS.values()) <= declared


@pytest.mark.parametrize(
    ("module", "after"),
    [
        ("tradewind", "sys"),
        ("tradewind.provider", "sys"),
        ("airflow_tradewind", "sys"),
        # Every `airflow` command imports it, so only what comes on top of Airflow's own counts.
        ("tradewind.cli", "airflow.cli.cli_config"),
    ],
)
def test_what_every_component_imports_brings_no_client(module, after):
    code = (
        f"import sys, {after}; before = set(sys.modules); import {module}; "
        "print({'aiohttp', 'kubernetes', 'msgspec', 'yaml'} & (set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "set()"
