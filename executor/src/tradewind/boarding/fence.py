"""Whether a launch may still be handed over. Pure: one table.

The row decides, not the endpoint's memory: several API servers need no common one, and a reply that
was lost is simply given again, until the task has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from tradewind.pods.labels import WorkloadKind

OPEN_STATES: Mapping[WorkloadKind, frozenset[str]] = {
    "task": frozenset({"queued"}),
    # The executor says that a callback runs as soon as its pod does, before the pod has asked.
    "callback": frozenset({"queued", "running"}),
    "connection-test": frozenset({"queued"}),
}


def is_open(kind: WorkloadKind, *, state: str | None, owner: UUID, launch_id: UUID) -> bool:
    """Return whether a row in that state, owned by launch `owner`, is still this launch's."""
    return owner == launch_id and state in OPEN_STATES[kind]
