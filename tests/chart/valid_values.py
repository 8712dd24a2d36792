"""Values that the schema accepts, for hypothesis: a few leaves at a time, over the defaults.

Texts hold whatever YAML could misread. Where the schema lets Kubernetes' own objects through, only
Kubernetes knows what is right: there the values of everything-on.yaml stand in.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml
from hypothesis import strategies as st
from rendered import CHART, LOADER, VALUES

PREFIX = "helm-values."
DEFINITIONS = json.loads((CHART / "values.schema.json").read_text())["$defs"]
EVERYTHING = yaml.load((VALUES / "everything-on.yaml").read_text(), LOADER)  # noqa: S506 - a safe one
FEWEST_LEAVES, MOST_LEAVES = 10, 40

AWKWARD = [
    "yes",
    "null",
    "1e3",
    "0x1F",
    "0777",
    "~",
    "a: b",
    "- a",
    "# a",
    "{a}",
    "%(a)s",
    "'",
    '"',
]
TEXT = st.sampled_from(AWKWARD) | st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]))


def leaves() -> list[str]:
    """Return the dotted path of every value that has no values below it."""
    return sorted(
        name.removeprefix(PREFIX)
        for name, definition in DEFINITIONS.items()
        if name.startswith(PREFIX)
        and "[" not in name
        and _types(definition) + definition.get("enum", [])
        if not _is_branch(definition)
    )


def _is_branch(definition: dict[str, Any]) -> bool:
    return any("$ref" in part for part in definition.get("properties", {}).values())


def values() -> st.SearchStrategy[dict[str, Any]]:
    """Return values as nested maps."""
    paths = st.sampled_from(leaves())
    chosen = st.lists(paths, unique=True, min_size=FEWEST_LEAVES, max_size=MOST_LEAVES)
    return chosen.flatmap(
        lambda paths: st.fixed_dictionaries({path: leaf(path) for path in paths})
    ).map(_nested)


def leaf(path: str) -> st.SearchStrategy[Any]:
    """Return what may stand at a path: what its schema says, or what is known to be right."""
    known = _known(path)
    schema = DEFINITIONS[PREFIX + path]
    generated = None if _is_kubernetes(schema) else of_schema(schema)
    candidates = [st.just(value) for value in known] + ([] if generated is None else [generated])
    return st.one_of(candidates)


def _known(path: str) -> list[Any]:
    """Return the value of everything-on.yaml and the default, as far as there are such."""
    definition = DEFINITIONS[PREFIX + path]
    default = [definition["default"]] if "default" in definition else []
    here: Any = EVERYTHING
    for part in path.split("."):
        if not isinstance(here, dict) or part not in here:
            return default
        here = here[part]
    return [here, *default]


def _is_kubernetes(schema: dict[str, Any]) -> bool:
    """Tell whether objects of any form may stand here or inside."""
    if "object" in _types(schema) and not {"properties", "additionalProperties"} & schema.keys():
        return True
    inside = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", [])]
    inside += schema.get("properties", {}).values()
    return any(_is_kubernetes(part) for part in inside if isinstance(part, dict) and part)


def _types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def of_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for the words that the chart's schema uses."""
    if "$ref" in schema:
        return of_schema(DEFINITIONS[schema["$ref"].removeprefix("#/$defs/")])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    if "anyOf" in schema:
        return st.one_of([of_schema(part) for part in schema["anyOf"]])
    return st.one_of([_of_type(name, schema) for name in _types(schema)])


def _of_type(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name == "string":
        if "pattern" in schema:
            ascii_only = re.compile(schema["pattern"], re.ASCII)
            return st.from_regex(ascii_only, fullmatch=True)
        return TEXT.filter(lambda text: len(text) >= schema.get("minLength", 0))
    if name in {"integer", "number"}:
        return st.integers(schema.get("minimum", -(10**9)), schema.get("maximum", 10**9))
    if name == "array":
        return st.lists(of_schema(schema["items"]), max_size=3, unique=True)
    if name == "object":
        return _object(schema)
    return {"boolean": st.booleans(), "null": st.none()}[name]


def _object(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" in schema:
        return st.fixed_dictionaries(
            {}, optional={key: of_schema(part) for key, part in schema["properties"].items()}
        )
    keys = schema.get("propertyNames", {}).get("pattern", "^[a-z][a-z0-9-]{0,9}$")
    return st.dictionaries(
        st.from_regex(re.compile(keys, re.ASCII), fullmatch=True),
        of_schema(schema["additionalProperties"]),
        max_size=3,
    )


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, last = path.split(".")
        here = found
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = value
    return found
