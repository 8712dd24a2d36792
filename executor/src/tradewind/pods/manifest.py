"""From a template to the manifest of one pod of one launch. Pure.

Order: template, launch, the deployment's layers (priority class, profile, the task's resources),
the task's override, more memory after an OOM, and at last the seal: what nobody may change.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from tradewind.pods import boarding, labels, names
from tradewind.pods.boarding import Boarding
from tradewind.pods.merge import BASE_CONTAINER, Manifest, merge

MARK_OF_A_TASK_POD = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}
"""Airflow and users' code in the pod look at this variable; upstream sets the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyPod:
    """What every pod needs to know."""

    namespace: str
    image: str
    """Replaces the template's image when not empty."""
    airflow_version: str
    installation: str = ""
    boarding: Boarding | None = None
    """How the pod fetches its workload; None where the workload is in its arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRequest(AnyPod):
    """What one pod of one launch needs to know."""

    task: labels.TaskRef
    launch_id: UUID
    ordinal: int
    scheduler: str
    """Id of the scheduler's job, kept in upstream's `airflow-worker` label."""
    row_id: UUID
    """Primary key of the row the launch is about."""
    args: Sequence[str] = ()
    """Worker and workload of a pod that does not fetch it."""
    claimed_at_s: float = 0.0
    """When the pod is made; seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRequest(AnyPod):
    """What a pod that waits for a launch needs to know; it always boards."""

    pool: str
    name: str


Request = PodRequest | IdleRequest


def render(template: Manifest, request: Request, *, layers: Sequence[Manifest] = ()) -> Manifest:
    """Return the manifest of one pod, not sealed; nothing that is given is changed or shared."""
    manifest = merge(copy.deepcopy(template), _request_layer(request))
    for layer in layers:
        manifest = merge(manifest, copy.deepcopy(layer))
    return manifest


def with_args(manifest: Manifest, args: Sequence[str]) -> Manifest:
    """Return the manifest with these arguments of the task's container."""
    return merge(manifest, {"spec": {"containers": [{"name": BASE_CONTAINER, "args": list(args)}]}})


def seal(manifest: Manifest, request: Request) -> Manifest:
    """Return the manifest with what nobody may change. Done before the hook, and again after."""
    metadata = manifest.get("metadata") or {}
    name, own_labels, own_annotations = _identity(request)
    sealed: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **metadata,
            "name": name,
            "namespace": metadata.get("namespace") or request.namespace,
            "labels": _without(metadata.get("labels"), labels.RESERVED) | own_labels,
            "annotations": _without(metadata.get("annotations"), labels.RESERVED_ANNOTATIONS)
            | own_annotations,
        },
        # A pod that starts its task again would run it twice behind Airflow's back.
        "spec": {**(manifest.get("spec") or {}), "restartPolicy": "Never"},
    }
    sealed |= {name: manifest[name] for name in manifest if name not in sealed}
    if request.boarding is None:
        return sealed
    return boarding.fitted(
        sealed,
        request.boarding,
        airflow_version=request.airflow_version,
        idle=isinstance(request, IdleRequest),
    )


def has_arguments(manifest: Manifest) -> bool:
    """Tell whether the task's container still gets its workload."""
    containers = manifest["spec"].get("containers") or []
    return any(c.get("args") for c in containers if c.get("name") == BASE_CONTAINER)


def _identity(request: Request) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return name, labels and annotations that say whose pod it is."""
    if isinstance(request, IdleRequest):
        marks = labels.for_idle(
            request.pool,
            airflow_version=request.airflow_version,
            installation=request.installation,
        )
        return request.name, marks, {}
    name = names.pod_name(
        request.task.dag_id,
        request.task.task_id,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
    )
    marks = labels.for_task(
        request.task,
        launch_id=request.launch_id,
        ordinal=request.ordinal,
        airflow_version=request.airflow_version,
        scheduler=request.scheduler,
        installation=request.installation,
    )
    notes = labels.annotations_for_task(request.task) | {labels.ROW_ID: str(request.row_id)}
    if request.boarding is not None:
        notes |= labels.annotations_for_claim(request.claimed_at_s)
    return name, marks, notes


def _without(said: dict[str, str] | None, reserved: Collection[str]) -> dict[str, str]:
    return {key: value for key, value in (said or {}).items() if key not in reserved}


def _request_layer(request: Request) -> Manifest:
    args = list(request.args) if isinstance(request, PodRequest) else []
    base: Manifest = {
        "name": BASE_CONTAINER,
        "args": args or None,
        "env": [MARK_OF_A_TASK_POD],
        "image": request.image or None,
    }
    return {
        "metadata": {"namespace": request.namespace},
        "spec": {"containers": [base]},
    }
