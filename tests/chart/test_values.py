"""values.yaml, its schema and images.yaml tell the same story."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind_tools import chart_values
from tradewind_tools.errors import WorkFailedError

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "chart"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
IMAGES = ["airflow", "janitor", "loki", "pgbouncer", "postgresql", "statsd-exporter"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every part of the schema that names the keys of an object."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)


def test_schema_and_page_are_made_from_the_comments_of_the_values():
    assert chart_values.stale() == [], "run `./task chart:values`"


def test_a_misspelt_key_is_refused_at_every_level():
    found = list(objects(SCHEMA["$defs"]))
    assert len(found) > 40
    assert [part for part in found if part.get("additionalProperties") is not False] == []


def test_every_top_level_value_is_explained():
    lines = (CHART / "values.yaml").read_text().splitlines()
    unexplained = [
        line
        for before, line in itertools.pairwise(lines)
        if line[:1].isalpha() and not before.startswith("#")
    ]
    assert [line.split(":")[0] for line in unexplained] == []


def test_a_type_word_that_nobody_knows_is_a_sentence():
    with pytest.raises(WorkFailedError, match="type=quantitty: write one of"):
        chart_values.fragment("quantitty")


@pytest.mark.parametrize("folder", IMAGES)
def test_images_are_where_the_chart_expects_them(folder):
    images = yaml.safe_load((REPOSITORY / "images/images.yaml").read_text())["images"]
    assert sorted(images) == IMAGES
    assert (REPOSITORY / "images" / folder / "Dockerfile").is_file()
    value: Any = VALUES
    for name in images[folder]["chartValues"].split("."):
        value = value[name]
    assert value["repository"] == images[folder]["repository"]
