"""Small builders for what tests need often; every argument has a harmless default."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.client.models import Event, Pod
from tradewind.config import Settings, load
from tradewind.dispatch.ledger import Launch
from tradewind.options import OPTIONS
from tradewind.pods.labels import TaskRef


class DictConf:
    """A configuration held in a dict of (section, key)."""

    def __init__(self, values: Mapping[tuple[str, str], str] | None = None) -> None:
        self._values = dict(values or {})

    def has_option(self, section: str, key: str) -> bool:
        """Return whether the option is set."""
        return (section, key) in self._values

    def get(self, section: str, key: str) -> str | None:
        """Return the option's text."""
        return self._values.get((section, key))


def settings(**changed: str) -> Settings:
    """Return default settings with some options of `[tradewind]` set as text."""
    unknown = changed.keys() - {option.name for option in OPTIONS}
    if unknown:
        raise ValueError(f"no such options: {sorted(unknown)}")
    return load(DictConf({("tradewind", name): value for name, value in changed.items()}))


def a_task(**changed: Any) -> TaskRef:
    """Return one try of a task."""
    values: dict[str, Any] = {
        "dag_id": "etl",
        "task_id": "load",
        "run_id": "manual__1",
        "try_number": 1,
    }
    return TaskRef(**(values | changed))


def a_launch(**changed: Any) -> Launch:
    """Return a launch of that task."""
    values: dict[str, Any] = {
        "key": "key",
        "launch_id": uuid.uuid4(),
        "row_id": uuid.uuid4(),
        "task": a_task(),
        "priority": 1,
        "render_args": lambda: ["run"],
    }
    return Launch(**(values | changed))


def a_pod(
    *,
    status: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    **metadata: Any,
) -> Pod:
    """Return a decoded pod; metadata, spec and status in Kubernetes' own camelCase."""
    identity = {"name": "etl-load", "namespace": "tasks", "uid": "u1", "resourceVersion": "1"}
    parts = {
        "metadata": identity | metadata,
        "spec": dict(spec or {}),
        "status": dict(status or {}),
    }
    return msgspec.convert(parts, Pod)


def an_event(reason: str, message: str = "", *, at_s: int = 0, **more: Any) -> Event:
    """Return a decoded event of the pod, `at_s` seconds after the first ones."""
    told = {"reason": reason, "message": message, "lastTimestamp": f"2026-01-01T00:00:{at_s:02}Z"}
    return msgspec.convert(told | more, Event)


def condition(kind: str, reason: str, message: str = "", *, status: str = "True") -> dict[str, Any]:
    """Return a status that holds this one condition."""
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return {"conditions": [told]}


def base_running(
    since: str = "2026-01-01T00:00:00Z", *, started: bool | None = None
) -> dict[str, Any]:
    """Return the status of a pod whose task runs; `started` is what its startup probe says."""
    status = _base("Running", {"running": {"startedAt": since}})
    if started is not None:
        status["containerStatuses"][0]["started"] = started
    return status


def base_ended(exit_code: int = 0, **terminated: Any) -> dict[str, Any]:
    """Return the status of a pod whose task's container has ended."""
    phase = "Failed" if exit_code else "Succeeded"
    end = {"exitCode": exit_code, "startedAt": "2026-01-01T00:00:00Z"} | terminated
    return _base(phase, {"terminated": end})


def base_waiting(reason: str, message: str = "") -> dict[str, Any]:
    """Return the status of a pod whose task's container cannot start."""
    return _base("Pending", {"waiting": {"reason": reason, "message": message}})


def _base(phase: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {"phase": phase, "containerStatuses": [{"name": "base", "state": dict(state)}]}
