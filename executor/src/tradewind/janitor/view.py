"""What the janitor remembers of a pod: small, because it remembers all of them. Pure.

Every text comes from somebody else. Labels and annotations that are odd lose their meaning, never
the pod: what cannot be read counts as missing, and what is missing proves nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tradewind.client.models import Pod
from tradewind.pods import labels, state
from tradewind.pods.labels import TaskRef
from tradewind.pods.state import PodState

OPERATOR_POD = "kubernetes_pod_operator"
"""Label of pods that a KubernetesPodOperator made; its task deletes them, or means not to."""
NODE_IS_SILENT = "Unknown"
"""Phase of a pod whose kubelet has not been heard of for a while."""


class Stage(StrEnum):
    """Where the task's container stands, whether or not the pod was asked to go."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def has_ended(self) -> bool:
        """Whether the container will never run again."""
        return self in {Stage.SUCCEEDED, Stage.FAILED}


_STAGE_BY_STATE = {
    PodState.PENDING: Stage.PENDING,
    PodState.RUNNING: Stage.RUNNING,
    PodState.SUCCEEDED: Stage.SUCCEEDED,
    PodState.FAILED: Stage.FAILED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodView:
    """A pod as far as the policy looks at it. Times in seconds since 1970, by the API server."""

    namespace: str
    name: str
    uid: str
    version: str
    """resourceVersion of this picture."""
    stage: Stage
    phase: str = ""
    installation: str = ""
    launch_id: str = ""
    """Empty for an idle pod of a warm pool, and for pods that are not ours."""
    pool: str = ""
    runs_task: bool = True
    """False for callbacks and connection tests, of which Airflow's REST API tells nothing."""
    task: TaskRef | None = None
    """The exact try, or None when the annotations name none."""
    row_id: str = ""
    """Id of the task instance at launch; it differs between tries, and between two Airflows."""
    node: str = ""
    launched_s: float | None = None
    """When a launch got the pod: its creation, or for a warm pod its claim."""
    ended_s: float | None = None
    leaves_s: float | None = None
    """When a pod that was asked to go ought to be gone."""
    finalizers: tuple[str, ...] = ()
    owner: str = ""
    """Kind of the object that made the pod and looks after it; none made ours."""
    is_kept: bool = False
    is_operators: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether it is a warm pod that no launch has claimed."""
        return bool(self.pool) and not self.launch_id

    @property
    def is_held_by_sidecar(self) -> bool:
        """Whether the task's container ended and another one keeps the pod going."""
        return self.stage.has_ended and self.phase == "Running"


def of(pod: Pod) -> PodView:
    """Return the view of a pod."""
    metadata = pod.metadata
    said, notes = metadata.labels, metadata.annotations
    task = labels.task_of(notes)
    return PodView(
        namespace=sys.intern(metadata.namespace),
        name=metadata.name,
        uid=metadata.uid,
        version=metadata.resource_version,
        stage=_stage(pod),
        phase=sys.intern(pod.status.phase),
        installation=sys.intern(said.get(labels.INSTALLATION, "")),
        # As it stands: a launch id that is odd makes no idle pod of one that runs a task.
        launch_id=said.get(labels.LAUNCH_ID, ""),
        pool=sys.intern(said.get(labels.POOL, "")),
        runs_task=labels.WORKLOAD not in said,
        task=task and _shared(task),
        row_id=notes.get(labels.ROW_ID, ""),
        node=sys.intern(pod.spec.node_name),
        launched_s=_launched_s(_seconds(metadata.creation_timestamp), notes),
        ended_s=_ended_s(pod),
        leaves_s=_seconds(metadata.deletion_timestamp),
        finalizers=metadata.finalizers,
        owner=metadata.owner_references[0].kind if metadata.owner_references else "",
        is_kept=_is_kept(notes),
        is_operators=OPERATOR_POD in said,
    )


def _stage(pod: Pod) -> Stage:
    where = state.of(pod)
    if where is PodState.DELETING:
        return Stage.RUNNING if state.has_started(pod) else Stage.PENDING
    return _STAGE_BY_STATE[where]


def _shared(task: TaskRef) -> TaskRef:
    """Return the task with texts that thousands of pods have in common stored once."""
    return TaskRef(
        dag_id=sys.intern(task.dag_id),
        task_id=sys.intern(task.task_id),
        run_id=sys.intern(task.run_id),
        try_number=task.try_number,
        map_index=task.map_index,
    )


def _is_kept(notes: Mapping[str, str]) -> bool:
    # A word we do not know was still written by somebody who wants the pod.
    return notes.get(labels.KEEP, "false").strip().lower() != "false"


def _ended_s(pod: Pod) -> float | None:
    end = state.ended(pod)
    return _seconds(end.finished_at) if end else None


def _launched_s(created_s: float | None, notes: Mapping[str, str]) -> float | None:
    """Return the later of creation and claim: no annotation makes a pod older than it is."""
    try:
        claimed_s = float(notes[labels.CLAIMED_AT])
    except (KeyError, ValueError):
        return created_s
    return max(created_s, claimed_s) if created_s is not None else None


def _seconds(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if text else None
    except ValueError:
        return None
