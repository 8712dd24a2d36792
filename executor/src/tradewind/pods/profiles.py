"""Named pod shapes that people choose by name, by queue or by priority. Pure.

profiles: `{"small": {"resources": {…}, "nodeSelector": {…}, "pod": {…}}}`;
queues: `{"gpu": {"profile": "gpu", "namespace": "…", "pod_template_file": "/…", "delivery": "…"}}`;
priority_classes: `{"0": "batch", "100": "urgent"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tradewind.errors import ConfigError
from tradewind.pods import validate
from tradewind.pods.merge import BASE_CONTAINER, Manifest, merge
from tradewind.pods.schema import conform, spec_fields

_OF_CONTAINER = ("resources", "image", "env")
"""Keys of a profile that mean the base container; `pod` is a whole pod, the rest its `spec`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What a queue's tasks get; empty means the executor's own."""

    profile: str = ""
    namespace: str = ""
    pod_template_file: str = ""
    delivery: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a task says under `executor_config["tradewind"]`."""

    profile: str = ""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """Requests and limits of the task's container, laid over the profile's."""
    delivery: str = ""
    """`args` or `boarding`; empty leaves it to the queue and `[tradewind] delivery`."""


def parse_profiles(document: Any, source: str) -> dict[str, Manifest]:
    """Return the pod of each profile.

    Raises:
        ConfigError: a profile is no mapping, or has a field that a pod cannot have.

    """
    return {
        str(name): _pod(profile, source=f"{source}, profile {str(name)!r}")
        for name, profile in _mapping(document, source).items()
    }


def parse_queues(document: Any, source: str) -> dict[str, Queue]:
    """Return what each queue's tasks get.

    Raises:
        ConfigError: a queue is no mapping of the known keys to text, or delivers in no known way.

    """
    queues = {
        str(name): Queue(**_texts(entry, source=f"{source}, queue {str(name)!r}"))
        for name, entry in _mapping(document, source).items()
    }
    for name, queue in queues.items():
        _check_delivery(queue.delivery, source=f"{source}, queue {name!r}")
    return queues


def parse_bands(document: Any, source: str) -> list[tuple[int, str]]:
    """Return (least priority_weight, PriorityClass), highest first.

    Raises:
        ConfigError: a key is no whole number, or a value no name.

    """
    bands = []
    for least, name in _mapping(document, source).items():
        try:
            bands.append((int(least), str(name)))
        except ValueError as error:
            raise ConfigError(
                f"{source} has the key {least!r}: write the least priority_weight of the class"
            ) from error
    return sorted(bands, reverse=True)


def choice_from(document: object) -> Choice:
    """Return what a task says under `executor_config["tradewind"]`; None says nothing.

    Raises:
        ConfigError: it is no mapping of the known keys.

    """
    source = "executor_config['tradewind']"
    if document is None:
        return Choice()
    said = _mapping(document, source)
    _refuse_unknown(said, known=[part.name for part in fields(Choice)], source=source)
    profile = said.get("profile") or ""
    if not isinstance(profile, str):
        raise ConfigError(f"{source}: profile is {profile!r}: give the name of a profile")
    resources = conform(
        said.get("resources") or {},
        source=source,
        kind="V1ResourceRequirements",
        path="resources",
    )
    layer = in_base(resources=resources)
    validate.check(layer, source=source)
    delivery = said.get("delivery") or ""
    _check_delivery(delivery, source=source)
    return Choice(profile=profile, resources=resources, delivery=delivery)


def in_base(**parts: Any) -> Manifest:
    """Return a layer that says these fields of the task's container."""
    return {"spec": {"containers": [{"name": BASE_CONTAINER, **parts}]}}


def named(profiles: Mapping[str, Manifest], name: str) -> Manifest:
    """Return the pod of the profile of that name.

    Raises:
        ConfigError: there is none; the sentence names those there are.

    """
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigError(
            f"there is no profile {name!r}: choose one of [tradewind] profiles ({known})"
        )
    return profiles[name]


def class_for(bands: list[tuple[int, str]], *, priority: int) -> str:
    """Return the PriorityClass of the highest band that `priority` reaches, or ""."""
    return next((name for least, name in bands if priority >= least), "")


def _pod(profile: Any, *, source: str) -> Manifest:
    said = _mapping(profile, source)
    _refuse_unknown(said, known=[*_OF_CONTAINER, "pod", *sorted(spec_fields())], source=source)
    spec = {k: v for k, v in said.items() if k not in {*_OF_CONTAINER, "pod"}}
    parts = {key: said[key] for key in _OF_CONTAINER if key in said}
    layer: Manifest = conform({"spec": spec}, source=source)
    if parts:
        layer = merge(layer, conform(in_base(**parts), source=source))
    if "pod" in said:
        layer = merge(layer, conform(said["pod"], source=source))
    for container in layer["spec"].get("containers", []):
        if container.get("name") == BASE_CONTAINER and "args" in container:
            raise ConfigError(f"{source}: args of {BASE_CONTAINER!r} are the worker's: remove them")
    validate.check(layer, source=source)
    return layer


def _mapping(document: Any, source: str) -> dict[Any, Any]:
    if not isinstance(document, Mapping):
        raise ConfigError(
            f"{source} is of type {type(document).__name__}: give a mapping of names to values"
        )
    return dict(document)


def _texts(entry: Any, *, source: str) -> dict[str, str]:
    said = _mapping(entry, source)
    _refuse_unknown(said, known=[part.name for part in fields(Queue)], source=source)
    for name, value in said.items():
        if not isinstance(value, str):
            raise ConfigError(f"{source}: {name} is {value!r}: give text")
    return said


def _check_delivery(said: object, *, source: str) -> None:
    # A tuple: what was said may be unhashable.
    if said not in ("", "args", "boarding"):
        raise ConfigError(f"{source}: delivery is {said!r}: choose 'args' or 'boarding'")


def _refuse_unknown(said: Mapping[Any, Any], *, known: list[str], source: str) -> None:
    for name in said:
        if name not in known:
            shown = ", ".join(known[:4]) + (", …" if len(known) > 4 else "")  # noqa: PLR2004
            raise ConfigError(f"{source} has the unknown key {name!r}: known are {shown}")
