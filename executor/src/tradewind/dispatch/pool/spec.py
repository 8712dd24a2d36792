"""What a deployment wants of its warm pools: `[tradewind] warm_pools`. Pure.

`{"default": 3, "gpu": {"size": "auto", "min": 1, "max": 8, "profile": "gpu"}}`: a number is short
for `size`. A pool keeps pods of one shape; which launches fit is decided by comparing shapes, so
the selection (`queue`, `profile`, `pod_template_file`, `priority_weight`) says what a launch would
have said to get that shape.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import ConfigError
from tradewind.pods import labels

AUTO = "auto"
MOST_PODS = 1000
"""A larger pool is a slip of the finger: its idle pods alone take 150 GB of memory."""
LEAST_MAX_AGE_S = 60.0

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
_TEAM_CHARS = 30
_TEXTS = ("queue", "profile", "pod_template_file", "priority_class")
_COUNTS = ("size", "min", "max")
_SECONDS = ("scale_to_zero_after", "max_age")
KEYS = ("size", "min", "max", *_TEXTS, "priority_weight", *_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """One pool."""

    name: str
    """Value of the pods' label `tradewind/pool`; begins with the team and a dot, if any."""
    size: int | None
    """Idle pods to keep ready; 0 drains the pool. None follows the rate of launches."""
    least: int = 0
    """Of a pool that follows the rate: idle pods it keeps however few launches come."""
    most: int = 0
    """Of such a pool: idle pods it never exceeds."""
    queue: str = ""
    profile: str = ""
    pod_template_file: str = ""
    priority_weight: int = 1
    """Chooses the PriorityClass as a launch's does; 1 is Airflow's default."""
    priority_class: str = ""
    """PriorityClass of idle pods in place of that; a claimed pod keeps it, it cannot be changed."""
    scale_to_zero_after_s: float = 0.0
    """Without a launch for so long the pool is empty; 0 never empties it."""
    max_age_s: float
    """An older idle pod is replaced: its code, image and node drift away from what is in force."""


def is_on(text: str) -> bool:
    """Whether the setting may name a pool; the path of a file may, whatever is in it now."""
    return text not in {"", "{}"}


def is_of_team(name: str, team: str) -> bool:
    """Whether a pool of that full name belongs to the executor of the team; "" is no team."""
    return name.rpartition(".")[0] == _prefix(team)


def parse(document: Any, source: str, *, max_age_s: float, team: str = "") -> dict[str, PoolSpec]:
    """Return the pools by the name they have in the setting.

    Args:
        document: the setting as parsed JSON or YAML.
        source: begins the sentence of an error.
        max_age_s: of pools that say none.
        team: whose executor it is; the teams of one Airflow have pools of their own.

    Raises:
        ConfigError: names the pool, its key, and the remedy.

    """
    if not isinstance(document, Mapping):
        raise ConfigError(
            f"{source} is of type {type(document).__name__}: give a mapping of pool names to "
            'sizes, such as {"default": 3}'
        )
    pools = {
        str(name): _pool(str(name), said, source=source, max_age_s=max_age_s, team=team)
        for name, said in document.items()
    }
    _refuse_twins(pools, source)
    return pools


def _pool(name: str, said: Any, *, source: str, max_age_s: float, team: str) -> PoolSpec:
    source = f"{source}, pool {name!r}"
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{source}: the name is no label: write at most 32 small letters, digits and dashes"
        )
    if isinstance(said, int) or said == AUTO:
        said = {"size": said}
    if not isinstance(said, Mapping):
        raise ConfigError(f"{source} is {said!r}: give its size, or a mapping with a `size`")
    for key in said:
        if key not in KEYS:
            raise ConfigError(f"{source} has the unknown key {key!r}: known are {', '.join(KEYS)}")
    for key in _TEXTS:
        if not isinstance(said.get(key, ""), str):
            raise ConfigError(f"{source}: {key} is {said[key]!r}: give text")
    size, least, most = _size(said, source)
    return PoolSpec(
        name=f"{_prefix(team)}.{name}".lstrip("."),
        size=size,
        least=least,
        most=most,
        **{key: said[key] for key in _TEXTS if key in said},
        priority_weight=_whole(said, "priority_weight", source, default=1, least=None),
        scale_to_zero_after_s=_seconds(said, "scale_to_zero_after", source, default=0, least=0),
        max_age_s=_seconds(said, "max_age", source, default=max_age_s, least=LEAST_MAX_AGE_S),
    )


def _prefix(team: str) -> str:
    """Return the team as part of a label of at most 63 characters; dots end it."""
    safe = labels.safe_value(team).replace(".", "-") if team else ""
    digest = hashlib.sha256(team.encode()).hexdigest()[:9]
    return safe if len(safe) <= _TEAM_CHARS else f"{safe[: _TEAM_CHARS - 10]}-{digest}"


def _size(said: Mapping[str, Any], source: str) -> tuple[int | None, int, int]:
    """Return size, least and most."""
    if "size" not in said:
        raise ConfigError(f"{source} has no size: give a number of pods, or {AUTO!r} with a `max`")
    if said["size"] == AUTO:
        if "max" not in said:
            raise ConfigError(f"{source}: size is {AUTO!r} without `max`: give the most pods")
        least = _whole(said, "min", source, default=0, least=0)
        most = _whole(said, "max", source, default=0, least=1)
        if least > most:
            raise ConfigError(f"{source}: min is {least} and max is {most}: swap them")
        return None, least, most
    for key in ("min", "max"):
        if key in said:
            raise ConfigError(f"{source}: {key} needs `size: {AUTO}`: remove one of the two")
    return _whole(said, "size", source, default=0, least=0), 0, 0


def _whole(
    said: Mapping[str, Any], key: str, source: str, *, default: int, least: int | None
) -> int:
    value = said.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int):
        also = f" or {AUTO!r}" if key == "size" else ""
        raise ConfigError(f"{source}: {key} is {value!r}: give a whole number{also}")
    if least is not None and not least <= value <= MOST_PODS:
        raise ConfigError(f"{source}: {key} is {value}: give {least} to {MOST_PODS}")
    return value


def _seconds(
    said: Mapping[str, Any], key: str, source: str, *, default: float, least: float
) -> float:
    value = said.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{source}: {key} is {value!r}: give seconds")
    if value < least:
        raise ConfigError(f"{source}: {key} is {value}: the least value is {least:.0f} seconds")
    return float(value)


def _refuse_twins(pools: Mapping[str, PoolSpec], source: str) -> None:
    """Two pools of the same shape would each take the other's launches."""
    seen: dict[tuple[str, str, str, int], str] = {}
    for pool in pools.values():
        shape = (pool.queue, pool.profile, pool.pod_template_file, pool.priority_weight)
        if shape in seen:
            raise ConfigError(
                f"{source}: pools {seen[shape]!r} and {pool.name!r} select the same pods: remove "
                "one, or give it a queue, profile or pod_template_file of its own"
            )
        seen[shape] = pool.name
