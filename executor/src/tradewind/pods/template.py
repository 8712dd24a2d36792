"""Build a task pod's manifest from the template, the launch and the task's `pod_override`.

Merge order is upstream's: template, launch, override. What differs, on purpose: environment
variables merge by name instead of appearing twice, `securityContext` merges field by field
instead of being replaced, falsy overrides count, and name, namespace-independent identity labels,
the base container's name and `restartPolicy: Never` cannot be overridden. Pure but for
`TemplateFile`, which reads one file.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from tradewind.errors import ConfigError
from tradewind.pods import labels, names

BASE_CONTAINER = "base"

Manifest = dict[str, Any]

_LIST_KEYS = {
    "env": "name",
    "volumes": "name",
    "initContainers": "name",
    "containers": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
}
"""Lists merged by this key; later entries replace the fields of earlier ones."""
_CONCATENATED = frozenset({"envFrom", "finalizers", "ownerReferences", "tolerations"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRequest:
    """What one pod of one launch needs to know."""

    task: labels.TaskRef
    launch_id: UUID
    ordinal: int
    namespace: str
    args: Sequence[str]
    image: str
    """Replaces the template's image when not empty."""
    airflow_version: str
    scheduler: str
    """Id of the scheduler's job, kept in upstream's `airflow-worker` label."""
    override: Manifest = field(default_factory=dict)


class TemplateFile:
    """A pod template, parsed once and again when the file changes. Loop thread only."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._manifest: Manifest = {}

    def load(self) -> Manifest:
        """Return the template; callers must not change it.

        Raises:
            ConfigError: the file is missing, no YAML, or no pod with a container.

        """
        if not self._path:
            raise ConfigError("[tradewind] pod_template_file is not set: give the path of a pod")
        try:
            status = Path(self._path).stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp != self._stamp:
                text = Path(self._path).read_text(encoding="utf-8")
                self._manifest = validated(yaml.safe_load(text), source=self._path)
                self._stamp = stamp
        except OSError as error:
            raise ConfigError(f"cannot read the pod template {self._path!r}: {error}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"the pod template {self._path!r} is no YAML: {error}") from error
        return self._manifest


def validated(document: object, *, source: str) -> Manifest:
    """Return `document` if it is usable as a pod template.

    Raises:
        ConfigError: it is not; the sentence names the first thing to mend.

    """
    if not isinstance(document, dict) or document.get("kind", "Pod") != "Pod":
        raise ConfigError(f"the pod template {source!r} is no Pod: begin it with `kind: Pod`")
    spec = document.get("spec")
    if not isinstance(spec, dict):
        raise ConfigError(f"the pod template {source!r} has no `spec`: add one with a container")
    containers = spec.get("containers")
    if not isinstance(containers, list) or not containers or not isinstance(containers[0], dict):
        raise ConfigError(
            f"the pod template {source!r} has no `spec.containers`: add one named "
            f"{BASE_CONTAINER!r}"
        )
    if not isinstance(document.get("metadata") or {}, dict):
        raise ConfigError(f"`metadata` of the pod template {source!r} is no mapping")
    return document


def render(template: Manifest, request: PodRequest) -> Manifest:
    """Return the manifest of one task pod; neither input is changed.

    Raises:
        ConfigError: no image is known for the base container.

    """
    manifest = _merge_pods(copy.deepcopy(template), _launch_overlay(template, request))
    if request.override:
        override = copy.deepcopy(request.override)
        _name_base_container(override)
        manifest = _merge_pods(manifest, override)
    return seal(manifest, request)


def seal(manifest: Manifest, request: PodRequest) -> Manifest:
    """Set what nobody may override, on a manifest that overrides and hooks have been through.

    Raises:
        ConfigError: no image is known for the base container.

    """
    metadata = manifest.setdefault("metadata", {})
    metadata["name"] = names.pod_name(
        request.task.dag_id,
        request.task.task_id,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
    )
    metadata.setdefault("namespace", request.namespace)
    metadata["labels"] = {**(metadata.get("labels") or {}), **_labels(request)}
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        **labels.annotations_for_task(request.task),
    }
    manifest["apiVersion"], manifest["kind"] = "v1", "Pod"
    manifest["spec"]["restartPolicy"] = "Never"
    if not manifest["spec"]["containers"][0].get("image"):
        raise ConfigError(
            f"no image for task {request.task.task_id!r}: set it on the container of the pod "
            "template, or worker_container_repository and worker_container_tag"
        )
    return manifest


def _labels(request: PodRequest) -> dict[str, str]:
    return labels.for_task(
        request.task,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
        airflow_version=request.airflow_version,
        scheduler=request.scheduler,
    )


def _launch_overlay(template: Manifest, request: PodRequest) -> Manifest:
    base: Manifest = {
        # Same name as the template's first container, so that the two become one.
        "name": template["spec"]["containers"][0].get("name", BASE_CONTAINER),
        "args": list(request.args),
        "env": [{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}],
    }
    if request.image:
        base["image"] = request.image
    return {
        "metadata": {"namespace": request.namespace},
        "spec": {"containers": [base]},
    }


def _name_base_container(override: Manifest) -> None:
    """Let an override's first container mean the base container, as upstream does."""
    containers = (override.get("spec") or {}).get("containers") or []
    if containers and not any(c.get("name") == BASE_CONTAINER for c in containers):
        containers[0]["name"] = BASE_CONTAINER


def _merge_pods(base: Manifest, over: Manifest) -> Manifest:
    merged: Manifest = _merge(base, over)
    first = merged["spec"]["containers"][0]
    first["name"] = BASE_CONTAINER
    return merged


def _merge(base: Any, over: Any, *, key: str = "") -> Any:
    """Return `base` with `over` laid on top; None in `over` means "not said"."""
    if over is None:
        return base
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {
            name: _merge(base.get(name), value, key=name) for name, value in over.items()
        }
    if isinstance(base, list) and isinstance(over, list):
        if key in _CONCATENATED:
            return base + [item for item in over if item not in base]
        if key in _LIST_KEYS:
            return _merge_by(base, over, identity=_LIST_KEYS[key])
    return over


def _merge_by(base: list[Any], over: list[Any], *, identity: str) -> list[Any]:
    merged: dict[Any, Any] = {_identity(item, identity): item for item in base}
    for item in over:
        name = _identity(item, identity)
        if identity == "name" and "value" in item and "valueFrom" in merged.get(name, {}):
            # An env entry has one source: a plain value replaces a reference, not joins it.
            merged[name] = item
        else:
            merged[name] = _merge(merged.get(name), item)
    return list(merged.values())


def _identity(item: Mapping[str, Any], key: str) -> object:
    return (item.get(key), item.get("protocol", "TCP")) if key == "containerPort" else item.get(key)
