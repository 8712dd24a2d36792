"""Make the chart's values.schema.json and docs/values.md from the comments of its values.yaml.

cert-manager's helm-tool reads structure, defaults and descriptions. It knows few types, so the
comments may name a word of `VOCABULARY` (`+docs:type=quantity`), and names that mean the same
everywhere need none (`WORDS_BY_NAME`). Unknown keys are refused wherever the values name keys.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tradewind_tools import command, paths, programs
from tradewind_tools.errors import WorkFailedError

VALUES = paths.CHECKOUT / "chart" / "values.yaml"
SCHEMA = paths.CHECKOUT / "chart" / "values.schema.json"
PAGE = paths.CHECKOUT / "docs" / "values.md"
PAGE_TEMPLATE = Path(__file__).with_name("chart_values.md.tpl")
TYPES_TEMPLATE = Path(__file__).with_name("chart_values.types.tpl")

Schema = dict[str, Any]
PREFIX = "helm-values"

TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
QUANTITY: Schema = {
    "type": ["string", "integer"],
    "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$",
}
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
MAP: Schema = {"type": "object"}
PORT = {"minimum": 1, "maximum": 65535}
VALUE_FROM: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"valueFrom": MAP},
    "required": ["valueFrom"],
}
OPTION_NAMES = {"pattern": "^[a-z0-9_.-]+$"}


def map_of(values: Schema, **more: Any) -> Schema:
    """Return the schema of a map whose keys the user chooses; null drops a key of the default."""
    return {"type": "object", "additionalProperties": values, **more}


VOCABULARY: dict[str, Schema] = {
    "integer": {"type": "integer", "minimum": 0},
    "positive integer": {"type": "integer", "minimum": 1},
    "identity or null": {"type": ["integer", "null"], "minimum": 1},
    "port": {"type": "integer", **PORT},
    "port or null": {"type": ["integer", "null"], **PORT},
    "number": {"type": "number"},
    "name": NAME,
    "quantity": QUANTITY,
    # Part of the names of all objects.
    "name of objects or empty": {"type": "string", "pattern": "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$"},
    "key": {"type": "string", "pattern": r"^[-._a-zA-Z0-9]+$"},
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "tag": {"type": "string", "pattern": "^[A-Za-z0-9_.-]*$"},
    "import paths": {
        "type": "string",
        "pattern": r"^([A-Za-z_]\w*:)?[A-Za-z_][\w.]*(,([A-Za-z_]\w*:)?[A-Za-z_][\w.]*)*$",
    },
    "list of names": {"type": "array", "items": NAME, "uniqueItems": True},
    "list of objects": OBJECTS,
    "list of text or objects": {"type": "array", "items": {"type": ["string", "object"]}},
    "object": MAP,
    "list of ports": {"type": "array", "items": {"type": "integer", **PORT}},
    "object or null": {"type": ["object", "null"]},
    "bool or null": {"type": ["boolean", "null"]},
    "map of text": map_of(TEXT),
    "map of lists": map_of(OBJECTS),
    "map of options": map_of(SCALAR, propertyNames=OPTION_NAMES),
    "map of objects": map_of({"type": ["object", "null"]}),
    "map of names": map_of(NAME),
    "map of positive integers": map_of({"type": ["integer", "null"], "minimum": 1}),
    "sections of options": map_of(
        {"type": ["object", "null"], "propertyNames": OPTION_NAMES, "additionalProperties": SCALAR},
        propertyNames=OPTION_NAMES,
    ),
    "environment": map_of(
        {"anyOf": [SCALAR, VALUE_FROM]}, propertyNames={"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    ),
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": map_of(QUANTITY), "limits": map_of(QUANTITY)},
    },
    "DAG bundles": map_of(
        {
            "type": ["object", "null"],
            "additionalProperties": False,
            "properties": {"classpath": NAME, "kwargs": MAP},
        }
    ),
    "warm pools": map_of(
        {
            "type": ["integer", "object", "null"],
            "minimum": 0,
            "additionalProperties": False,
            "properties": {
                "size": {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "auto"}]},
                "min": {"type": "integer", "minimum": 0},
                "max": {"type": "integer", "minimum": 0},
                "profile": NAME,
                "queue": NAME,
                "pod_template_file": TEXT,
                "priority_class": NAME,
                "priority_weight": {"type": "integer"},
                "scale_to_zero_after": {"type": "number", "minimum": 0},
                "max_age": {"type": "number", "exclusiveMinimum": 0},
            },
        }
    )
    # Helm keeps a null that took the pools of another values file away through --reuse-values.
    | {"type": ["object", "null"]},
    "map of text or references": map_of({"anyOf": [SCALAR, VALUE_FROM]}),
}
"""Words of `+docs:type=` -> schema. Others such as `one of A, B` are read by `fragment`."""

WORDS_BY_NAME = {
    "affinity": "object",
    "annotations": "map of text",
    "backoffLimit": "integer",
    "classpath": "name",
    "digest": "digest",
    "env": "environment",
    "fsGroup": "identity or null",
    "fullnameOverride": "name of objects or empty",
    "initContainers": "list of objects",
    "key": "key",
    "labels": "map of text",
    "nameOverride": "name of objects or empty",
    "nodeSelector": "map of text",
    "passwordKey": "key",
    "podAnnotations": "map of text",
    "podLabels": "map of text",
    "port": "port",
    "pullPolicy": "one of Always, IfNotPresent, Never",
    "replicas": "integer",
    "repository": "name",
    "resources": "resources",
    "runAsGroup": "identity or null",
    "runAsUser": "identity or null",
    "spec": "object",
    "tag": "tag",
    "terminationGracePeriodSeconds": "integer",
    "tmpSizeLimit": "quantity",
    "tolerations": "list of objects",
    "topologySpreadConstraints": "list of objects",
    "usernameKey": "key",
    "volumeMounts": "list of objects",
    "volumes": "list of objects",
}
"""Names that mean the same wherever they stand."""


def fragment(word: str) -> Schema | None:
    """Return the schema of a type word; None for the words that helm-tool itself knows.

    Raises:
        WorkFailedError: the word is in no vocabulary.

    """
    if word in VOCABULARY:
        return VOCABULARY[word]
    if word.startswith("one of "):
        return {"enum": [item.strip('"') for item in word.removeprefix("one of ").split(", ")]}
    if word in {"string", "bool", "array", "unknown"}:
        return None
    known = ", ".join(sorted(VOCABULARY))
    raise WorkFailedError(f"values.yaml says +docs:type={word}: write one of {known}")


def refined(schema: Schema, *, types: dict[str, str]) -> Schema:
    """Return helm-tool's schema with the types of our vocabulary, and only what is referred to."""
    definitions = schema["$defs"]
    for name, definition in definitions.items():
        path = name.removeprefix(PREFIX).lstrip(".")
        word = WORDS_BY_NAME.get(path.rpartition(".")[2]) or types.get(path, "")
        found = fragment(word) if word else None
        if found is not None:
            kept = {key: definition[key] for key in ("description", "default") if key in definition}
            definitions[name] = kept | found
    reached = set(_reached(definitions, name=PREFIX))
    schema["$defs"] = {name: definitions[name] for name in sorted(reached)}
    return schema


def _reached(definitions: Schema, *, name: str) -> Iterator[str]:
    yield name
    parts = [*definitions[name].get("properties", {}).values(), definitions[name].get("items", {})]
    for part in parts:
        if "$ref" in part:
            yield from _reached(definitions, name=part["$ref"].removeprefix("#/$defs/"))


def generated() -> dict[Path, str]:
    """Return file -> text of both generated files."""
    tool = str(programs.ensure("helm-tool")["helm-tool"])
    source = ["-i", str(VALUES)]
    schema = json.loads(command.run([tool, "schema", *source]))
    lines = command.run([tool, "render", *source, "-t", str(TYPES_TEMPLATE)]).splitlines()
    types = dict(line.split("\t") for line in lines if line)
    page = command.run([tool, "render", *source, "-t", str(PAGE_TEMPLATE)])
    text = json.dumps(refined(schema, types=types), indent=1, ensure_ascii=False)
    return {SCHEMA: f"{text}\n", PAGE: f"{page.strip()}\n"}


def write() -> None:
    """Write both files."""
    for file, text in generated().items():
        file.write_text(text)


def stale() -> list[str]:
    """Return which of both files are not what values.yaml says."""
    return [
        str(file.relative_to(paths.CHECKOUT))
        for file, text in generated().items()
        if not file.is_file() or file.read_text() != text
    ]
