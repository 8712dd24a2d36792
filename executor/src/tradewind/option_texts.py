"""Reading options: where each stands, its text, and its text as a number or a boolean.

Errors name an option as it stands in the configuration, which may be upstream's section.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from tradewind.errors import ConfigError
from tradewind.options import OPTIONS, Option

SECTION = "tradewind"
FALLBACK_SECTION = "kubernetes_executor"

OF_ONE_CLUSTER = {"delivery": "args", "warm_pools": ""}
"""Options of `[tradewind]` that an executor with a section of its own does not inherit, and what
they are there: pods of another cluster may not reach the endpoint at which pods board."""

_Number = TypeVar("_Number", int, float)
_BY_NAME = {option.name: option for option in OPTIONS}
_TRUE = frozenset({"t", "true", "1"})
_FALSE = frozenset({"f", "false", "0"})


class Conf(Protocol):
    """The part of Airflow's `ExecutorConf` that the loader uses; team-aware in production."""

    def has_option(self, section: str, key: str) -> bool:
        """Return whether the option is set anywhere, defaults included."""
        ...

    def get(self, section: str, key: str) -> str | None:
        """Return the option's text."""
        ...


class Texts(dict[str, str]):
    """The options' texts by name: from the section, else ours, else upstream's, else defaults."""

    def __init__(
        self, conf: Conf, *, section: str = SECTION, options: Sequence[Option] = OPTIONS
    ) -> None:
        super().__init__()
        self._sections = tuple(dict.fromkeys((section, SECTION)))
        self._origins: dict[str, str] = {}
        for option in options:
            self[option.name] = self._found(conf, option)

    def origin(self, name: str) -> str:
        """Name an option as it stands in the configuration."""
        return self._origins.get(name, f"[{SECTION}] {name}")

    def is_set(self, name: str) -> bool:
        """Whether it was found in a configuration, with another value than its default."""
        return name in self._origins and self[name] != _BY_NAME[name].default

    def _found(self, conf: Conf, option: Option) -> str:
        # Airflow merges provider defaults into the conf. `provider.py` therefore publishes no
        # default for an option with a fallback: one would hide what users set in upstream's.
        for section in self._sections:
            if option.name in OF_ONE_CLUSTER and section != self._sections[0]:
                return OF_ONE_CLUSTER[option.name]
            ours = set_text(conf, section, option.name)
            if ours is not None:
                self._origins[option.name] = f"[{section}] {option.name}"
                return ours
        if option.fallback is not None:
            theirs = set_text(conf, FALLBACK_SECTION, option.fallback)
            if theirs is not None and theirs != option.upstream_default:
                self._origins[option.name] = f"[{FALLBACK_SECTION}] {option.fallback}"
                return theirs
        return option.default


def set_text(conf: Conf, section: str, key: str) -> str | None:
    """Return an option's text without spaces around it, or None when it is not set."""
    if not conf.has_option(section, key):
        return None
    value = conf.get(section, key)
    return None if value is None else value.strip()


def listed(text: str) -> tuple[str, ...]:
    """Return the parts between commas, each once."""
    parts = (part.strip() for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def one_of(text: Texts, name: str, known: tuple[str, ...]) -> str:
    """Return the text when it is one of the known; raises `ConfigError` otherwise."""
    value = text[name]
    if value not in known:
        raise ConfigError(f"{text.origin(name)} is {value!r}: choose one of {', '.join(known)}")
    return value


def boolean(text: Texts, name: str) -> bool:
    """Return the text as a boolean; raises `ConfigError` when it is none."""
    value = text[name].lower()
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise ConfigError(f"{text.origin(name)} is {text[name]!r}: write True or False")


def number(
    text: Texts,
    name: str,
    kind: Callable[[str], _Number],
    *,
    least: float,
    most: float | None = None,
) -> _Number:
    """Return the text as a number; raises `ConfigError` when it is none, or out of its range."""
    try:
        value = kind(text[name])
    except ValueError as error:
        raise ConfigError(
            f"{text.origin(name)} is {text[name]!r}: write a {_BY_NAME[name].kind}"
        ) from error
    # Not below: what is no number at all is not above either.
    if not value >= least:
        raise ConfigError(f"{text.origin(name)} is {value}: the least value is {least}")
    if most is not None and value > most:
        raise ConfigError(f"{text.origin(name)} is {value}: the greatest value is {most:g}")
    return value
