"""Airflow seam: which launches the task instances of a dead scheduler are.

A row that upstream's KubernetesExecutor queued holds a scheduler's number where ours hold a launch
id. Its primary key serves as launch id, here as in `_compat.read_facts`.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from tradewind._compat import launch_id_of, task_ref
from tradewind.dispatch.engine import Orphan
from tradewind.dispatch.hooks import Abandoned

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance

log = logging.getLogger(__name__)


def orphans_of(
    tis: Sequence[TaskInstance],
) -> tuple[list[tuple[TaskInstance, Orphan]], list[TaskInstance]]:
    """Return each task instance with its launch, and those that cannot be read. Never raises."""
    readable, odd = [], []
    for ti in tis:
        try:
            readable.append((ti, _orphan(ti)))
        except Exception:
            log.exception("cannot read an orphaned task instance; the scheduler resets it")
            odd.append(ti)
    return readable, odd


def without(
    pairs: Iterable[tuple[TaskInstance, Orphan]], refused: Iterable[Orphan]
) -> tuple[list[Orphan], list[TaskInstance]]:
    """Split into adopted launches and the task instances of refused ones."""
    refused_ids = {orphan.launch_id for orphan in refused}
    adopted, homeless = [], []
    for ti, orphan in pairs:
        if orphan.launch_id in refused_ids:
            homeless.append(ti)
        else:
            adopted.append(orphan)
    return adopted, homeless


def inherited(abandoned: Iterable[Abandoned], keys: Mapping[UUID, Hashable]) -> list[Orphan]:
    """Return the callbacks and connection tests that have a key: those to follow from now on."""
    return [
        Orphan(
            key=keys[one.launch_id],
            launch_id=one.launch_id,
            row_id=one.launch_id,
            task=one.workload,
        )
        for one in abandoned
        if one.launch_id in keys
    ]


def _orphan(ti: TaskInstance) -> Orphan:
    row_id = UUID(str(ti.id))
    return Orphan(
        key=ti.key,
        launch_id=launch_id_of(ti.external_executor_id) or row_id,
        row_id=row_id,
        task=task_ref(ti),
    )
