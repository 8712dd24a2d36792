"""What a pod's labels say about it: nobody's, somebody's, or told to go. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from tradewind.client.models import Metadata
from tradewind.pods import labels
from tradewind.pods.labels import WorkloadKind

_KINDS: dict[str, WorkloadKind] = {
    "": "task",
    "callback": "callback",
    "connection-test": "connection-test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """No launch has it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A launch has it."""

    kind: WorkloadKind
    launch_id: UUID
    row_id: UUID
    claimed_s: float | None
    """Seconds since the epoch by the executor's clock; None where it is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """It will never run anything."""

    reason: Literal["gone", "draining", "overdue", "unreadable"]
    """`unreadable` is a launch whose row the pod does not name."""


Standing: TypeAlias = Idle | Claimed | Leaving


def standing_of(metadata: Metadata) -> Standing:
    """Return what the pod is, by its labels and annotations."""
    if metadata.deletion_timestamp:
        return Leaving(reason="gone")
    if labels.OVERDUE in metadata.labels:
        return Leaving(reason="overdue")
    if labels.LAUNCH_ID in metadata.labels:
        return _claim_of(metadata)
    if labels.DRAINING in metadata.labels:
        return Leaving(reason="draining")
    return Idle()


def _claim_of(metadata: Metadata) -> Claimed | Leaving:
    kind = _KINDS.get(metadata.labels.get(labels.WORKLOAD, ""))
    launch_id = labels.launch_id_of(metadata.labels)
    # Callbacks and connection tests are launched under their own ids.
    row_id = _uuid(metadata.annotations.get(labels.ROW_ID, "")) if kind == "task" else launch_id
    if kind is None or launch_id is None or row_id is None:
        return Leaving(reason="unreadable")
    return Claimed(
        kind=kind,
        launch_id=launch_id,
        row_id=row_id,
        claimed_s=_seconds(metadata.annotations.get(labels.CLAIMED_AT, "")),
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
