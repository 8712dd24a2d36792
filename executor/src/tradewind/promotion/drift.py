"""How the values of two environments differ in kind: what one sets and the other never heard of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tradewind.promotion.findings import Finding, Level, UnusableError

MOST_SHOWN = 12


def load(text: str, *, path: str) -> dict[str, Any]:
    """Return a values file; raises UnusableError when it is no map."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UnusableError(f"{path} is not YAML: {error}") from error
    if values is not None and not isinstance(values, dict):
        raise UnusableError(f"{path} is {type(values).__name__}, not a map: write key: value")
    return values or {}


def paths(values: Mapping[str, Any], *, prefix: str = "") -> Iterator[str]:
    """Yield the path of every value that is set; a list or an empty map counts as one."""
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from paths(value, prefix=f"{path}.")
        else:
            yield path


def judge(
    source: Mapping[str, Any], *, target: Mapping[str, Any], names: tuple[str, str]
) -> list[Finding]:
    """Return a note per direction; no drift is no refusal, environments differ on purpose."""
    there, here = set(paths(source)), set(paths(target))
    return [
        _note(sorted(there - here), by=names[0], without=names[1]),
        _note(sorted(here - there), by=names[1], without=names[0]),
    ]


def _note(only: list[str], *, by: str, without: str) -> Finding:
    if not only:
        return Finding("drift", Level.OK, f"{by} sets nothing that {without} leaves out")
    more = f" and {len(only) - MOST_SHOWN} more" if len(only) > MOST_SHOWN else ""
    shown = ", ".join(only[:MOST_SHOWN])
    return Finding("drift", Level.NOTE, f"only {by} sets {shown}{more}")
