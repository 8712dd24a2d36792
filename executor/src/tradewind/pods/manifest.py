"""From a template to the manifest of one pod of one launch. Pure.

Order: template, launch, the deployment's layers (priority class, profile, the task's resources),
the task's override, more memory after an OOM, and at last the seal: what nobody may change.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from tradewind.pods import labels, names
from tradewind.pods.merge import BASE_CONTAINER, Manifest, merge

MARK_OF_A_TASK_POD = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}
"""Airflow and users' code in the pod look at this variable; upstream sets the same."""


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
    installation: str = ""


def render(template: Manifest, request: PodRequest, *, layers: Sequence[Manifest] = ()) -> Manifest:
    """Return the manifest of one task pod; nothing that is given is changed or shared."""
    manifest = merge(copy.deepcopy(template), _launch_layer(request))
    for layer in layers:
        manifest = merge(manifest, copy.deepcopy(layer))
    return manifest


def seal(manifest: Manifest, request: PodRequest) -> Manifest:
    """Return the manifest with what nobody may change. Done before the hook, and again after."""
    metadata = manifest.get("metadata") or {}
    task_labels = labels.for_task(
        request.task,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
        airflow_version=request.airflow_version,
        scheduler=request.scheduler,
        installation=request.installation,
    )
    sealed: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "name": names.pod_name(
                request.task.dag_id,
                request.task.task_id,
                launch_id=request.launch_id,
                ordinal=request.ordinal,
            ),
            "namespace": metadata.get("namespace") or request.namespace,
            "labels": _without(metadata.get("labels"), labels.RESERVED) | task_labels,
            "annotations": _without(metadata.get("annotations"), labels.RESERVED_ANNOTATIONS)
            | labels.annotations_for_task(request.task),
        },
        # A pod that starts its task again would run it twice behind Airflow's back.
        "spec": {**(manifest.get("spec") or {}), "restartPolicy": "Never"},
    }
    return sealed | {name: manifest[name] for name in manifest if name not in sealed}


def _without(said: dict[str, str] | None, reserved: Collection[str]) -> dict[str, str]:
    return {key: value for key, value in (said or {}).items() if key not in reserved}


def has_arguments(manifest: Manifest) -> bool:
    """Tell whether the task's container still gets its workload."""
    containers = manifest["spec"].get("containers") or []
    return any(c.get("args") for c in containers if c.get("name") == BASE_CONTAINER)


def _launch_layer(request: PodRequest) -> Manifest:
    base: Manifest = {
        "name": BASE_CONTAINER,
        "args": list(request.args),
        "env": [MARK_OF_A_TASK_POD],
        "image": request.image or None,
    }
    return {
        "metadata": {"namespace": request.namespace},
        "spec": {"containers": [base]},
    }
