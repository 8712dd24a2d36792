"""Airflow seam: the renderer as the executor uses it, and `airflow tradewind render` on top of it.

The command goes the way of a real launch, from the task instance's row through the workload and
the same renderer; only the token is a placeholder.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import yaml
from airflow.executors.workloads import ExecuteTask
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select

from tradewind import _compat, launch_records, pod_models, workloads
from tradewind.client import endpoint as client
from tradewind.clock import SystemClock
from tradewind.config import Settings
from tradewind.dispatch.endpoint import Endpoint
from tradewind.dispatch.informed import InformedRenderer
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.pool import check as pool_check
from tradewind.dispatch.renderer import Renderer
from tradewind.errors import ConfigError
from tradewind.pods.merge import Manifest

TOKEN = "<token, minted when the pod is created>"  # noqa: S105 - the opposite of a secret
NO_RUN = "manual__not_run_yet"
_NOT_QUEUED = "# Not queued yet: the launch id, and with it the hash in the name, will be others.\n"
_UNKNOWN_ID = UUID(int=0)


def renderer(settings: Settings, *, scheduler: str, endpoint: Endpoint | None = None) -> Renderer:
    """Return a renderer with the hooks of this Airflow; `scheduler` is the id of its job.

    Without an `endpoint` it is taken not to answer.
    """
    hook = _compat.mutation_hook()
    return Renderer(
        settings,
        airflow_version=_compat.AIRFLOW_VERSION,
        scheduler=scheduler,
        mutate=hook and functools.partial(pod_models.through_hook, hook=hook),
        coordinator_of=_compat.coordinator_of,
        endpoint_answers=lambda: endpoint is not None and endpoint.has_answered,
    )


def check(settings: Settings) -> None:
    """Judge what the deployment offers: templates, profiles, queues, classes and warm pools.

    Raises:
        ConfigError: one of them is unusable.

    """
    judged = renderer(settings, scheduler="")
    judged.check()
    asyncio.run(pool_check.check(settings, judged))


def endpoint(settings: Settings) -> Endpoint:
    """Return what is known of where pods board; nothing yet."""
    ask = functools.partial(client.ask, ca_file=settings.boarding_ca_file)
    return Endpoint(settings.boarding_url, ask=ask, clock=SystemClock())


def as_yaml(
    dag_id: str, task_id: str, *, run_id: str | None, map_index: int, settings: Settings
) -> str:
    """Return the first pod of a task's present try as YAML. Reads the database; never writes.

    Without `run_id` it is the pod that the task would have in a new run.

    Raises:
        ConfigError: there is no such task, or its pod cannot be rendered.

    """
    with create_session(scoped=False) as session:
        if run_id is None:
            ti = _new(session, dag_id, task_id, map_index)
        else:
            ti = _stored(session, dag_id, task_id, run_id, map_index)
        workload = ExecuteTask.make(ti)
        scheduler = str(ti.queued_by_job_id or "")
        session.rollback()
    launch = workloads.launch_of(workload, mint=lambda _: TOKEN)
    manifest = asyncio.run(_rendered(launch, settings=settings, scheduler=scheduler))
    queued = _compat.launch_id_of(workload.ti.external_executor_id) is not None
    text: str = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100)
    return text if queued else _NOT_QUEUED + text


async def _rendered(launch: Launch, *, settings: Settings, scheduler: str) -> Manifest:
    boards = endpoint(settings)
    if settings.delivery == "auto" and settings.boarding_url:
        await boards.look()
    rendering = renderer(settings, scheduler=scheduler, endpoint=boards)
    with ThreadPoolExecutor(1) as threads:
        informed = InformedRenderer(
            rendering, records=launch_records, settings=settings, threads=threads
        )
        return await informed.render(launch, ordinal=0)


def _stored(session: Any, dag_id: str, task_id: str, run_id: str, map_index: int) -> TaskInstance:
    ti = session.scalar(
        select(TaskInstance).where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.task_id == task_id,
            TaskInstance.run_id == run_id,
            TaskInstance.map_index == map_index,
        )
    )
    if ti is None:
        raise ConfigError(
            f"there is no task {task_id!r} with map index {map_index} in run {run_id!r} of DAG "
            f"{dag_id!r}: see `airflow tasks states-for-dag-run {dag_id} {run_id}`"
        )
    return ti


def _new(session: Any, dag_id: str, task_id: str, map_index: int) -> TaskInstance:
    """Return a task instance of a run that does not exist."""
    dag = SerializedDagModel.get_dag(dag_id, session=session)
    if dag is None:
        raise ConfigError(f"there is no DAG {dag_id!r}: see `airflow dags list`")
    if not dag.has_task(task_id):
        raise ConfigError(
            f"DAG {dag_id!r} has no task {task_id!r}: choose one of {', '.join(dag.task_ids)}"
        )
    version = DagVersion.get_latest_version(dag_id, session=session)
    ti = TaskInstance(
        dag.get_task(task_id),
        dag_version_id=_UNKNOWN_ID if version is None else version.id,
        run_id=NO_RUN,
        map_index=map_index,
    )
    ti.id = _UNKNOWN_ID
    ti.try_number = 1
    with session.no_autoflush:
        ti.dag_run = DagRun(dag_id=dag_id, run_id=NO_RUN)
        ti.dag_model = session.get(DagModel, dag_id)
    return ti
