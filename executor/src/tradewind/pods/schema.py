"""Hold a document to the fields and types of a pod, before an API server has to.

The table is made from the Kubernetes client's models (tools/src/tradewind_tools/pod_fields.py);
importing the client for it would cost every scheduler seconds and 90 MB. Pure.

Scalars are read as upstream's model loader reads them, so that a template moves over as it is: a
number where text belongs becomes text. What that loader drops or guesses is refused: an unknown
field, a word where yes or no belongs.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import json
from importlib import resources
from typing import Any

from tradewind.errors import ConfigError

MOST_BYTES = 1_000_000
"""etcd refuses objects of more than 1.5 MiB, and the server adds fields and a status to ours."""

_SHOWN_CHARS = 60
_SCALAR_WORDS = {"str": "text", "int": "a whole number", "bool": "true or false"}


def conform(document: object, *, source: str, kind: str = "V1Pod", path: str = "") -> Any:
    """Return a copy of `document` that has the shape of `kind`, without its empty (None) fields.

    Args:
        document: parsed YAML or JSON; never changed, and shared by nothing in the copy.
        source: what the sentence of an error begins with, such as "pod_override".
        kind: a type of the table, such as "V1Pod" or "V1PodSpec".
        path: where in a pod the document stands, for the sentence.

    Raises:
        ConfigError: an unknown field, or a value of another type.

    """
    if kind.startswith("list["):
        return _list(document, of=kind[5:-1], source=source, path=path)
    if kind == "dict[str, str]":
        return _text_by_name(document, source=source, path=path)
    if kind in _SCALAR_WORDS or kind in {"object", "datetime"}:
        return _scalar(document, kind=kind, source=source, path=path)
    if kind not in _fields():
        return document  # The pod's status: the server ignores it.
    return _model(document, fields=_fields()[kind], source=source, path=path)


def spec_fields() -> frozenset[str]:
    """Return the names of the fields of a pod's `spec`."""
    return frozenset(_fields()["V1PodSpec"])


def refuse_huge(document: object, *, source: str) -> None:
    """Refuse a document that no API server would store.

    Counts instead of serialising: the aliases of a few lines of YAML can stand for gigabytes, or
    for a list that contains itself.

    Raises:
        ConfigError: it is larger than `MOST_BYTES`.

    """
    size, waiting = 0, [document]
    while waiting:
        value = waiting.pop()
        size += 4  # Quotes or brackets, and a comma.
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            waiting += value
        if size > MOST_BYTES:
            raise ConfigError(
                f"{source} is larger than {MOST_BYTES // 1000} kB, more than Kubernetes stores: "
                "move large values into a ConfigMap"
            )


def _list(document: object, *, of: str, source: str, path: str) -> list[Any]:
    if not isinstance(document, list | tuple):
        raise _wrong(document, "a list", source=source, path=path)
    return [
        conform(item, source=source, kind=of, path=f"{path}[{index}]")
        for index, item in enumerate(document)
    ]


def _model(document: object, *, fields: dict[str, str], source: str, path: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise _wrong(document, "a mapping", source=source, path=path)
    for name in document:
        if name not in fields:
            raise _unknown(name, fields, source=source, path=path)
    return {
        name: conform(value, source=source, kind=fields[name], path=_join(path, name))
        for name, value in document.items()
        if value is not None
    }


def _scalar(value: object, *, kind: str, source: str, path: str) -> object:
    match kind, value:
        case ("str" | "datetime", str()) | ("bool", bool()) | ("object", str() | int() | dict()):
            return value
        case "str", bool() | int() | float() | dt.date():
            return str(value)
        case "datetime", dt.datetime():
            return value.isoformat()
        case "int", int() if not isinstance(value, bool):
            return value
        case "int", str() if value.removeprefix("-").isdecimal():
            return int(value)
    raise _wrong(value, _SCALAR_WORDS.get(kind, "a value of its kind"), source=source, path=path)


def _text_by_name(document: object, *, source: str, path: str) -> dict[str, str]:
    if not isinstance(document, dict):
        raise _wrong(document, "a mapping", source=source, path=path)
    return {
        str(name): str(_scalar(value, kind="str", source=source, path=_join(path, name)))
        for name, value in document.items()
        if value is not None
    }


def _wrong(value: object, wanted: str, *, source: str, path: str) -> ConfigError:
    if not path:
        # The whole document: a task may have named a file that is none of its business to quote.
        return ConfigError(f"{source} is of type {type(value).__name__}: give {wanted}")
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"
    return ConfigError(f"{source}: {path} is {shown}: give {wanted}")


def _unknown(name: object, fields: dict[str, str], *, source: str, path: str) -> ConfigError:
    near = difflib.get_close_matches(str(name), fields, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else "remove it"
    return ConfigError(f"{source}: a pod has no field {_join(path, name)!r}: {remedy}")


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


@functools.cache
def _fields() -> dict[str, dict[str, str]]:
    text = resources.files(__package__).joinpath("pod_fields.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
