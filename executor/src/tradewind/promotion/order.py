"""`environments/order.yaml`: which environment follows which, and what holds before each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tradewind.promotion import freeze
from tradewind.promotion.findings import RefusedError, UnusableError

PATH = "environments/order.yaml"
NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,40}[a-z0-9])?")
DURATION = re.compile(r"(\d+)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
KEYS = {"name", "soak", "freeze"}
RESERVED = {"base"}
"""Folders beside the environments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One entry."""

    name: str
    soak_s: int = 0
    """How long a release has to be in the environment before, until it may come here."""
    freeze: tuple[freeze.Window, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """The environments, first to last."""

    environments: tuple[Environment, ...]

    @property
    def names(self) -> list[str]:
        """Names in order."""
        return [environment.name for environment in self.environments]

    def find(self, name: str) -> Environment:
        """Return the environment; raises UnusableError that lists the known ones."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        known = ", ".join(self.names)
        raise UnusableError(f"no environment {name!r} in {PATH}: choose one of {known}")

    def before(self, name: str) -> Environment | None:
        """Return the environment that a release has to come from, None for the first."""
        index = self.names.index(self.find(name).name)
        return self.environments[index - 1] if index else None

    def hop(self, source: str, *, target: str) -> Environment:
        """Return the target of an allowed hop; raises RefusedError when it is none."""
        found = self.find(target)
        self.find(source)
        wanted = self.before(target)
        if wanted is None:
            raise RefusedError(
                f"{target} is the first environment of {PATH}: `./task release` writes its release"
            )
        if wanted.name != source:
            raise RefusedError(
                f"{target} follows {wanted.name}, not {source}: promote from {wanted.name}"
            )
        return found


def release_path(name: str) -> str:
    """Return the one file that a promotion to this environment writes."""
    return f"environments/{name}/release.yaml"


def values_paths(name: str) -> tuple[str, str]:
    """Return the values files of an environment; the last wins."""
    return "environments/base/values/values.yaml", f"environments/{name}/values.yaml"


def parse(text: str, *, path: str = PATH) -> Order:
    """Return the order; raises UnusableError with the entry that is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UnusableError(f"{path} is not YAML: {error}") from error
    entries = document.get("environments") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise UnusableError(f"{path} names no environments: list them, first to last")
    found = [
        _environment(entry, where=f"{path}: environments[{n}]") for n, entry in enumerate(entries)
    ]
    for index, environment in enumerate(found):
        earlier = [other.name for other in found[:index]]
        if environment.name in earlier:
            way = " → ".join([*earlier[earlier.index(environment.name) :], environment.name])
            raise UnusableError(f"{path} goes in a circle ({way}): name each environment once")
    return Order(tuple(found))


def duration(value: Any, *, where: str) -> int:
    """Return the seconds of a text such as 24h; raises UnusableError."""
    found = DURATION.fullmatch(str(value))
    if found is None:
        raise UnusableError(f"{where} is {value!r}: write a number and s, m, h or d, such as 24h")
    return int(found[1]) * SECONDS[found[2]]


def shown(seconds: float) -> str:
    """Return a span for people: 23 h 10 min, rounded down."""
    days, rest = divmod(int(max(seconds, 0)), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    filled = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(filled[:2]) or "0 s"


def _environment(entry: Any, *, where: str) -> Environment:
    if not isinstance(entry, Mapping) or not NAME.fullmatch(str(entry.get("name", ""))):
        raise UnusableError(
            f"{where} {entry!r} has no name of lower-case letters: write {{name: dev}}"
        )
    name = str(entry["name"])
    if name in RESERVED:
        raise UnusableError(f"{where} is named {name!r}, the folder of what all share: rename it")
    if unknown := sorted(set(map(str, entry)) - KEYS):
        raise UnusableError(f"{where} ({name}) has the unknown key {unknown[0]!r}: {sorted(KEYS)}")
    windows = entry.get("freeze", [])
    if not isinstance(windows, list):
        raise UnusableError(f"{where} ({name}): freeze is {windows!r}: write a list of windows")
    return Environment(
        name=name,
        soak_s=duration(entry.get("soak", "0s"), where=f"{where}.soak"),
        freeze=tuple(
            freeze.parse(window, where=f"{where}.freeze[{n}]") for n, window in enumerate(windows)
        ),
    )
