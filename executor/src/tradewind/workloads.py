"""Airflow seam: from the scheduler's workloads to launches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from uuid import UUID

from airflow.executors.workloads import ExecuteTask

from tradewind import pod_models
from tradewind._compat import launch_id_of
from tradewind.dispatch.ledger import Launch
from tradewind.errors import ConfigError
from tradewind.pods.labels import TaskRef

Mint = Callable[[str], str]
"""From the id of a workload to a token for it, valid from now on."""

_WORKER = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")


def launch_of(workload: ExecuteTask, *, mint: Mint) -> Launch:
    """Return the launch of a workload. Scheduler's thread; the token is minted much later.

    Raises:
        ConfigError: the task's `executor_config` is no dict.

    """
    ti = workload.ti
    row_id = UUID(str(ti.id))
    executor_config = ti.executor_config or {}
    if not isinstance(executor_config, dict):
        raise ConfigError(
            f"executor_config is a {type(executor_config).__name__}: give a dict, for instance "
            "{'pod_override': V1Pod(…)}"
        )
    return Launch(
        key=workload.key,
        # A row queued before this executor took over has no launch id; its primary key serves.
        launch_id=launch_id_of(ti.external_executor_id) or row_id,
        row_id=row_id,
        task=task_ref(ti),
        priority=ti.priority_weight,
        render_args=functools.partial(_worker_args, workload, str(row_id), mint),
        render_override=functools.partial(pod_models.override_from, executor_config)
        if pod_models.has_override(executor_config)
        else None,
        template_path=executor_config.get("pod_template_file") or "",
        queue=ti.queue,
        choice=executor_config.get("tradewind"),
    )


def task_ref(ti: Any) -> TaskRef:
    """Return which try it is; `ti` is a task instance, its workload's copy, or its key."""
    return TaskRef(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        try_number=ti.try_number,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


def _worker_args(workload: ExecuteTask, subject: str, mint: Mint) -> list[str]:
    """Return the worker's command with a token minted now. Loop thread."""
    fresh = workload.model_copy(update={"token": mint(subject)})
    return [*_WORKER, fresh.model_dump_json()]
