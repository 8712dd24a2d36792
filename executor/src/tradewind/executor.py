"""Airflow seam: workloads in, states out. No decision and no network call is made here.

The scheduler's thread calls everything in this module, except `get_task_log`: API servers call
that on an instance that was never started.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from airflow.executors.base_executor import BaseExecutor
from airflow.executors.workloads import ExecuteTask
from airflow.utils.state import TaskInstanceState

from tradewind import _compat, config, pod_models, task_logs
from tradewind.bridge import Bridge, Emit
from tradewind.client.connect import connect
from tradewind.clock import SystemClock
from tradewind.dispatch.dispatcher import Outcome
from tradewind.dispatch.engine import Engine, Orphan
from tradewind.dispatch.hooks import Hooks
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import Verdict
from tradewind.pods.labels import TaskRef

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskinstancekey import TaskInstanceKey

_WORKER = ("python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string")


class TradewindExecutor(BaseExecutor):
    """Run every task in its own Kubernetes pod."""

    supports_ad_hoc_ti_run: bool = True
    pre_assigns_external_executor_id: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = config.load(self.conf)
        self._bridge = Bridge(self._build_engine)
        self._launches: dict[TaskInstanceKey, UUID] = {}

    def start(self) -> None:
        """Connect to the cluster and start the loop thread."""
        self._bridge.start()
        self.log.info(
            "Tradewind runs tasks as pods in namespace %r, template %r",
            self._settings.namespace,
            self._settings.pod_template_file,
        )

    def _process_workloads(self, workload_items: Sequence[ExecutorWorkload]) -> None:
        """Hand the workloads to the loop thread. Never blocks, never raises."""
        for workload in workload_items:
            key = workload.key
            self.queued_tasks.pop(key, None)
            self.running.add(key)
            try:
                self._launch(key, workload)
            except Exception as error:
                self.log.exception("cannot launch %s", key)
                self.fail(key, info=f"cannot launch: {error}")

    def _launch(self, key: TaskInstanceKey, workload: ExecuteTask) -> None:
        ti = workload.ti
        row_id = UUID(str(ti.id))
        # A row queued before this executor took over has no launch id; its primary key serves.
        launch_id = _compat.launch_id_of(ti.external_executor_id) or row_id
        executor_config = ti.executor_config or {}
        has_override = executor_config.get("pod_override") is not None
        self._launches[key] = launch_id
        self._bridge.submit(
            Launch(
                key=key,
                launch_id=launch_id,
                row_id=row_id,
                task=TaskRef(
                    dag_id=ti.dag_id,
                    task_id=ti.task_id,
                    run_id=ti.run_id,
                    try_number=ti.try_number,
                    map_index=-1 if ti.map_index is None else ti.map_index,
                ),
                priority=ti.priority_weight,
                render_args=functools.partial(self._worker_args, workload),
                render_override=functools.partial(pod_models.override_from, executor_config)
                if has_override
                else None,
                template_path=executor_config.get("pod_template_file") or "",
            )
        )

    def _worker_args(self, workload: ExecuteTask) -> list[str]:
        """Return the worker's command with a token minted now. Loop thread."""
        token = ExecuteTask.generate_token(str(workload.ti.id), self.jwt_generator)
        fresh = workload.model_copy(update={"token": token})
        return [*_WORKER, fresh.model_dump_json()]

    def sync(self) -> None:
        """Report the ends that arrived since the last heartbeat. No I/O, never raises."""
        if self._launches and not self._bridge.is_alive:
            self.log.error("the loop thread of the executor is dead: restart the scheduler")
        for outcome in self._bridge.drain():
            self._report(outcome)

    def _report(self, outcome: Outcome) -> None:
        key: Any = outcome.key
        if self._launches.get(key) != outcome.launch_id:
            return  # The same try runs under a newer launch, for instance after a deferral.
        del self._launches[key]
        match outcome.verdict:
            case Verdict.SUCCESS:
                self.success(key)
            case Verdict.FAILED:
                self.log.error("task %s failed: %s", key, outcome.reason)
                self.fail(key, info=outcome.reason)
            case _:
                self.running.discard(key)

    def change_state(
        self,
        key: Any,
        state: Any,
        info: Any = None,
        remove_running: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        """Take note of a state; a failure declared by the scheduler also ends the pod.

        The scheduler calls this for a task whose heartbeats stopped. Upstream leaves such a pod
        running, beside the one of the next try.
        """
        if state == TaskInstanceState.FAILED and (launch_id := self._launches.pop(key, None)):
            self._bridge.revoke(launch_id)
        super().change_state(key, state, info, remove_running)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget the task and delete its pod. Never raises, adds no event."""
        key = ti.key
        self.queued_tasks.pop(key, None)
        self.running.discard(key)
        launch_id = self._launches.pop(key, None) or _compat.launch_id_of(ti.external_executor_id)
        if launch_id is not None and self._bridge.is_alive:
            self._bridge.revoke(launch_id)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Follow the pods of schedulers that died; return the tasks that have no pod."""
        by_launch = {_compat.launch_id_of(ti.external_executor_id): ti for ti in tis}
        homeless = [ti for ti in tis if _compat.launch_id_of(ti.external_executor_id) is None]
        by_launch.pop(None, None)
        orphans = [
            Orphan(key=ti.key, launch_id=launch_id, row_id=UUID(str(ti.id)))
            for launch_id, ti in by_launch.items()
            if launch_id is not None
        ]
        refused = self._bridge.adopt(orphans, wait_s=self._settings.adoption_wait_s)
        refused_ids = {orphan.launch_id for orphan in refused}
        for orphan in orphans:
            if orphan.launch_id not in refused_ids:
                self._launches[orphan.key] = orphan.launch_id
                self.running.add(orphan.key)
        self.log.info("adopted %d of %d tasks", len(orphans) - len(refused), len(tis))
        return homeless + [by_launch[orphan.launch_id] for orphan in refused]

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """Return messages and the last log lines of a running task's pod. Any thread."""
        return task_logs.tail(ti, try_number=try_number, settings=self._settings)

    def end(self) -> None:
        """Stop the loop thread; pods go on running and are adopted later."""
        self._bridge.stop()

    def terminate(self) -> None:
        """Stop the loop thread, for Airflow's SIGTERM path."""
        self._bridge.stop()

    def _build_engine(self, emit: Emit) -> Engine:
        settings = self._settings
        hook = _compat.mutation_hook()
        return Engine(
            connect(settings),
            settings=settings,
            renderer=Renderer(
                template_path=settings.pod_template_file,
                namespace=settings.namespace,
                image=settings.image,
                airflow_version=_compat.AIRFLOW_VERSION,
                scheduler=str(self.job_id or ""),
                mutate=hook and functools.partial(pod_models.through_hook, hook=hook),
            ),
            read_facts=_compat.read_facts,
            emit=emit,
            clock=SystemClock(),
            hooks=Hooks(read_strays=_compat.read_strays),
        )
