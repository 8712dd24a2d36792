"""values.yaml, its schema and images.yaml tell the same story."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
# Helm puts it into every chart's values.
OF_HELM = {"global"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def described(schema: dict[str, Any], *, below: str = "") -> Iterator[str]:
    """Yield the path of every value that the schema names."""
    for name, part in resolved(schema).get("properties", {}).items():
        if below + name not in OF_HELM:
            yield below + name
            yield from described(part, below=f"{below}{name}.")


def closed(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    schema = resolved(schema)
    if "properties" in schema:
        yield schema
        for part in schema["properties"].values():
            yield from closed(part)


def given(path: str) -> bool:
    value: Any = VALUES
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


# Free-form maps hold whatever the user names; `resources` may leave out either half.
OPTIONAL = ("resources.requests", "resources.limits")


def test_everything_the_schema_knows_has_a_default():
    missing = [path for path in described(SCHEMA) if not given(path)]
    assert [path for path in missing if not path.endswith(OPTIONAL)] == []


def test_a_misspelt_key_is_refused_at_every_level():
    open_objects = [
        part for part in closed(SCHEMA) if part.get("additionalProperties") is not False
    ]
    # `global` is Helm's own and has no properties, so it does not count.
    assert open_objects == []


def test_every_top_level_value_is_explained():
    lines = (CHART / "values.yaml").read_text().splitlines()
    unexplained = [
        line
        for before, line in itertools.pairwise(lines)
        if line[:1].isalpha() and not before.startswith("#")
    ]
    assert [line.split(":")[0] for line in unexplained] == []


@pytest.mark.parametrize("folder", ["airflow", "janitor", "postgresql"])
def test_images_are_where_the_chart_expects_them(folder):
    images = yaml.safe_load((REPOSITORY / "images/images.yaml").read_text())["images"]
    assert set(images) == {"airflow", "janitor", "postgresql"}
    assert (REPOSITORY / "images" / folder / "Dockerfile").is_file()
    value: Any = VALUES
    for name in images[folder]["chartValues"].split("."):
        value = value[name]
    assert value["repository"] == images[folder]["repository"]
