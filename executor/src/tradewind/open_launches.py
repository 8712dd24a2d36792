"""Airflow seam: hand over a launch, if its row still says that it is open.

One read of the row, joined with what its workload is made of; then the fence; then a token of
Airflow's own, minted in that moment. Blocking, on worker threads, in sessions of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from airflow.configuration import conf
from airflow.executors.workloads import ExecuteCallback, ExecuteTask, TestConnection
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.callback import Callback
from airflow.models.connection_test import ConnectionTestRequest
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.utils.helpers import log_filename_template_renderer
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import joinedload, load_only
from sqlalchemy.orm.attributes import set_committed_value

from tradewind._compat import launch_id_of
from tradewind.boarding.endpoint import Closed
from tradewind.boarding.fence import is_open
from tradewind.boarding.standing import Claimed

Mint = Callable[[str, float], str]
"""From the id of a workload and seconds of life to a token for it, valid from now on."""

_IN_WORKLOAD = frozenset(TaskInstanceDTO.model_fields) - {"executor_config"}
"""`executor_config` never reaches a worker, and unpickling it may import half of Kubernetes."""
_TASK = (
    load_only(*(getattr(TaskInstance, name) for name in sorted(_IN_WORKLOAD | {"state"}))),
    joinedload(TaskInstance.dag_run).load_only(
        DagRun.dag_id, DagRun.run_id, DagRun.logical_date, DagRun.bundle_version
    ),
    joinedload(TaskInstance.dag_model).load_only(DagModel.bundle_name, DagModel.relative_fileloc),
)
_RUN = joinedload(DagRun.dag_model).load_only(DagModel.bundle_name, DagModel.relative_fileloc)


def take(
    claim: Claimed, *, mint: Mint, token_ttl_s: float, sentry_integration: str = ""
) -> bytes | Closed:
    """Return the workload of a claim as JSON, or the state of a row that is not open for it.

    Raises what the database raises.
    """
    match claim.kind:
        case "task":
            taken: Any = _task(claim, sentry_integration)
        case "callback":
            taken = _callback(claim)
        case "connection-test":
            taken = _connection_test(claim)
            # Its result is written with the same token, after the test.
            token_ttl_s += _connection_test_timeout_s()
    if isinstance(taken, Closed):
        return taken
    token = mint(str(claim.row_id), token_ttl_s)
    workload: str = taken.model_copy(update={"token": token}).model_dump_json()
    return workload.encode()


def _task(claim: Claimed, sentry_integration: str) -> ExecuteTask | Closed:
    """Return what `ExecuteTask.make` returns, without a read for each part of it."""
    with create_session(scoped=False) as session:
        ti = session.scalar(
            select(TaskInstance).where(TaskInstance.id == claim.row_id).options(*_TASK)
        )
        if ti is None:
            return Closed(state=None)
        row_id = UUID(str(ti.id))
        # A row that an executor without launch ids queued is launched under its primary key.
        owner = launch_id_of(ti.external_executor_id) or row_id
        if not is_open("task", state=ti.state, owner=owner, launch_id=claim.launch_id):
            return Closed(state=ti.state)
        set_committed_value(ti, "executor_config", None)
        return ExecuteTask(
            ti=TaskInstanceDTO.model_validate(ti, from_attributes=True),
            dag_rel_path=Path(ti.dag_model.relative_fileloc or ""),
            token="",
            log_path=log_filename_template_renderer()(ti=ti),
            bundle_info=BundleInfo(
                name=ti.dag_model.bundle_name, version=ti.dag_run.bundle_version
            ),
            sentry_integration=sentry_integration,
        )


def _callback(claim: Claimed) -> ExecuteCallback | Closed:
    with create_session(scoped=False) as session:
        callback = session.get(Callback, claim.row_id)
        if callback is None:
            return Closed(state=None)
        if not _is_open(claim, callback.state):
            return Closed(state=callback.state)
        run_id = callback.data["dag_run_id"]
        run = session.scalar(select(DagRun).where(DagRun.id == run_id).options(_RUN))
        if run is None:
            return Closed(state=callback.state)
        return ExecuteCallback.make(callback=callback, dag_run=run)


def _connection_test(claim: Claimed) -> TestConnection | Closed:
    columns = (
        ConnectionTestRequest.state,
        ConnectionTestRequest.connection_id,
        ConnectionTestRequest.queue,
    )
    with create_session(scoped=False) as session:
        row = session.execute(
            select(*columns).where(ConnectionTestRequest.id == claim.row_id)
        ).one_or_none()
    if row is None:
        return Closed(state=None)
    if not _is_open(claim, row.state):
        return Closed(state=row.state)
    return TestConnection.make(
        connection_test_id=claim.row_id,
        connection_id=row.connection_id,
        timeout=_connection_test_timeout_s(),
        queue=row.queue,
    )


def _is_open(claim: Claimed, state: str | None) -> bool:
    """Ask the fence about a row that is its own launch."""
    return is_open(claim.kind, state=state, owner=claim.row_id, launch_id=claim.launch_id)


def _connection_test_timeout_s() -> int:
    timeout_s: int = conf.getint("connection_test", "timeout", fallback=60)
    return timeout_s
