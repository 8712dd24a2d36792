"""Airflow seam: from the scheduler's workloads to launches.

Three kinds arrive: tasks, callbacks (deadline alerts) and connection tests. Each runs in a pod of
its own, through the same worker command; only a task has a row that tells its result.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow.executors.workloads import ExecuteCallback, ExecuteTask, TestConnection
from airflow.models.connection_test import ConnectionTestKey

from tradewind import pod_models, requeue
from tradewind._compat import fail_connection_test, launch_id_of, task_ref
from tradewind.bridge import Emit
from tradewind.dispatch.dispatcher import Outcome
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.settle import Verdict
from tradewind.errors import ConfigError
from tradewind.pods.labels import TaskRef

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.tokens import JWTGenerator
    from airflow.executors.workloads import ExecutorWorkload

log = logging.getLogger(__name__)

Mint = Callable[[str], str]
"""From the id of a workload to a token for it, valid from now on."""

_WORKER = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")
_AHEAD_OF_TASKS = 2**32
"""Priority of what completes earlier work; Airflow's own weights are 32-bit integers."""


def token_for(generator: JWTGenerator, subject: str, *, life_s: float) -> str:
    """Return a token with which a worker may begin the workload that has this id. Any thread.

    `ExecuteTask.generate_token` gives the same, and looks its life up in the configuration each
    time, which takes longer than to sign.
    """
    claims = {"sub": subject, "scope": "workload"}
    token: str = generator.generate(extras=claims, valid_for=life_s)
    return token


def launch_of(workload: ExecutorWorkload, *, mint: Mint) -> Launch:
    """Return the launch of a workload. Scheduler's thread; the token is minted much later.

    Raises:
        ConfigError: the task's `executor_config` is no dict.
        TypeError: the workload is of a kind that Airflow 3.3 does not have.

    """
    timeout_s = None
    match workload:
        case ExecuteTask():
            return _of_task(workload, mint)
        case ExecuteCallback():
            subject, task = UUID(workload.callback.id), _callback_ref(workload)
        case TestConnection():
            subject, task = workload.connection_test_id, _connection_test_ref(workload)
            timeout_s = float(workload.timeout)
        case _:
            raise TypeError(f"cannot run a workload of type {type(workload).__name__}")
    return Launch(
        key=workload.key,
        # Queued once in its life, so its own id is as good as one assigned for the launch.
        launch_id=subject,
        row_id=subject,
        task=task,
        priority=_AHEAD_OF_TASKS,
        render_args=_WorkerArgs(workload, subject, mint),
        timeout_s=timeout_s,
        reports_itself=False,
    )


def _of_task(workload: ExecuteTask, mint: Mint) -> Launch:
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
        dag_version_id=ti.dag_version_id,
        priority=ti.priority_weight,
        render_args=_WorkerArgs(workload, row_id, mint),
        render_override=functools.partial(pod_models.override_from, executor_config)
        if pod_models.has_override(executor_config)
        else None,
        template_path=executor_config.get("pod_template_file") or "",
        queue=ti.queue,
        choice=executor_config.get("tradewind"),
    )


def telling(emit: Emit) -> Emit:
    """Return an `emit` that also writes what no event can tell Airflow. Loop thread.

    Airflow ignores the events of connection tests: the worker writes the result itself. Where no
    worker lived long enough, the user would read only that the test took too long. And there is no
    event for a task that never began and whose workload died with its scheduler: it would wait for
    `[scheduler] task_queued_timeout`.
    """

    def emit_and_write(outcome: Outcome) -> None:
        emit(outcome)
        write = _write_of(outcome)
        if write is not None:
            asyncio.get_running_loop().run_in_executor(None, _logged, write)

    return emit_and_write


def _write_of(outcome: Outcome) -> Callable[[], object] | None:
    match outcome.verdict:
        case Verdict.FAILED if isinstance(outcome.key, ConnectionTestKey):
            return functools.partial(fail_connection_test, outcome.key.id, outcome.reason)
        case Verdict.REQUEUE:
            return functools.partial(requeue.by_launch, outcome.launch_id)
    return None


def _logged(write: Callable[[], object]) -> None:
    try:
        write()
    except Exception:
        log.exception("cannot write to Airflow's database: %r", write)


def _callback_ref(workload: ExecuteCallback) -> TaskRef:
    data = workload.callback.data
    return TaskRef(
        kind="callback",
        dag_id=str(data.get("dag_id") or ""),
        task_id=f"callback-{workload.display_name}",
        run_id=_run_id(data),
        try_number=0,
    )


def _run_id(data: Mapping[str, Any]) -> str:
    """Return the run a deadline callback is about; its context holds what the REST API shows."""
    value: Any = data
    for step in ("kwargs", "context", "dag_run", "dag_run_id"):
        value = value.get(step) if isinstance(value, Mapping) else None
    return str(value or "")


def _connection_test_ref(workload: TestConnection) -> TaskRef:
    return TaskRef(
        kind="connection-test",
        dag_id="",
        task_id=f"connection-test-{workload.connection_id}",
        run_id="",
        try_number=0,
    )


class _WorkerArgs:
    """What renders the worker's command, with a token minted then. Loop thread.

    Only the workload's JSON is kept: a launch lives as long as its task, and the models of one
    workload take 3.7 KB of memory, their JSON 0.4.
    """

    __slots__ = ("_mint", "_packed", "_subject")

    def __init__(self, workload: ExecutorWorkload, subject: UUID, mint: Mint) -> None:
        self._packed = workload.model_dump_json(exclude={"token"})
        self._subject = subject
        self._mint = mint

    def __call__(self) -> list[str]:
        token = json.dumps(self._mint(str(self._subject)))
        return [*_WORKER, f'{{"token":{token},{self._packed[1:]}']
