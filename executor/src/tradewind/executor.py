"""Airflow seam: workloads in, states out. No decision and no network call is made here.

The scheduler's thread calls everything in this module, except `get_task_log`: API servers call
that on an instance that was never started. What the scheduler calls does not raise: an exception
would end the scheduler, with the tasks of every team.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from airflow.configuration import conf
from airflow.executors.base_executor import BaseExecutor, ExecutorConf
from airflow.utils.state import TaskInstanceState

from tradewind import _compat, adoption, assembly, config, metrics, requeue, task_logs, workloads
from tradewind.airflow_stats import AirflowMetrics
from tradewind.audit import AuditLog
from tradewind.bridge import Bridge, Emit
from tradewind.clock import SystemClock
from tradewind.dispatch.dispatcher import Outcome
from tradewind.dispatch.engine import Engine, Orphan
from tradewind.dispatch.hooks import Abandoned
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.settle import Verdict
from tradewind.option_texts import SECTION
from tradewind.supervision import Loop

if TYPE_CHECKING:
    from airflow.executors.workloads import ExecutorWorkload
    from airflow.executors.workloads.types import WorkloadKey
    from airflow.models.connection_test import ConnectionTestKey
    from airflow.models.taskinstance import TaskInstance


class TradewindExecutor(BaseExecutor):
    """Run every task, callback and connection test in its own Kubernetes pod."""

    supports_ad_hoc_ti_run: bool = True
    supports_callbacks: bool = True
    supports_connection_test: bool = True
    supports_multi_team: bool = True
    pre_assigns_external_executor_id: ClassVar[bool] = True
    section: ClassVar[str] = SECTION
    """Section of its settings; a subclass for another cluster has one of its own."""

    def __init__(self, parallelism: int | None = None, team_name: str | None = None) -> None:
        if parallelism is None:
            parallelism = ExecutorConf(team_name).getint("core", "parallelism")
        super().__init__(parallelism=parallelism, team_name=team_name)
        self._token_life_s = conf.getfloat("scheduler", "task_queued_timeout")
        self._settings = config.load(self.conf, section=self.section)
        self._loop = Loop(self._make_bridge, clock=SystemClock())
        self._launches: dict[WorkloadKey, Launch | Orphan] = {}
        self._inherited: deque[Orphan] = deque()
        self._measured = AirflowMetrics(team=team_name or "")
        self._audit = AuditLog(self.log_task_event, self._task_event_logs)

    def start(self) -> None:
        """Connect to the cluster and start the loop thread.

        Raises:
            TradewindError: the credentials are unusable; better now than at the first task.

        """
        for sentence in config.unread(self.conf):
            self.log.warning("%s", sentence)
        self._loop.start()
        self.log.info(
            "Tradewind runs tasks as pods in namespace %r, template %r",
            self._settings.namespace,
            self._settings.pod_template_file,
        )

    def _process_workloads(self, workload_items: Sequence[ExecutorWorkload]) -> None:
        """Hand the workloads to the loop thread."""
        began_s = time.monotonic()
        launches: dict[WorkloadKey, Launch] = {}
        for workload in workload_items:
            key = workload.key
            for queue in (self.queued_tasks, self.queued_callbacks, self.queued_connection_tests):
                queue.pop(key, None)
            # First of all: what fails must be running to be taken out again.
            self.running.add(key)
            try:
                self._audit.forget(key)
                launches[key] = workloads.launch_of(workload, mint=self._mint)
            except Exception as error:
                self.log.exception("cannot launch %s", key)
                self._fail(key, f"cannot launch: {error}", kind="refused")
        self._launches.update(launches)
        try:
            self._loop.submit(list(launches.values()))
        except Exception as error:
            self.log.exception("cannot launch %d workloads", len(launches))
            for key in launches:
                self._fail(key, f"cannot launch: {error}", kind="refused")
        self._measured.gauge(metrics.POD_CREATION_BATCH_SIZE, len(workload_items))
        self._measured.timing(metrics.POD_CREATION_BATCH_DURATION, time.monotonic() - began_s)

    def _mint(self, subject: str) -> str:
        """Return a token for a workload. Loop thread."""
        return workloads.token_for(self.jwt_generator, subject, life_s=self._token_life_s)

    def sync(self) -> None:
        """Report what arrived since the last heartbeat. No I/O."""
        began_s = time.monotonic()
        outcomes = self._loop.drain()
        # Announced before their first outcome can be, so looked for after the outcomes are here.
        while self._inherited:
            orphan = self._inherited.popleft()
            if orphan.key not in self._launches:
                self._follow(orphan)
        for outcome in outcomes:
            try:
                self._report(outcome)
            except Exception:
                self.log.exception("cannot report the end of %s", outcome.key)
        self._loop.revive(self._launches.values())
        self._audit.flush(self._launches)
        self._measured.gauge(metrics.LOOP_ALIVE, int(self._loop.is_alive))
        self._measured.timing(metrics.SYNC, time.monotonic() - began_s)

    def _report(self, outcome: Outcome) -> None:
        key: Any = outcome.key
        launch = self._launches.get(key)
        if launch is None or launch.launch_id != outcome.launch_id:
            return  # The same try runs under a newer launch, for instance after a deferral.
        if outcome.verdict is Verdict.RUNNING:
            self.running_state(key)
            return
        del self._launches[key]
        match outcome.verdict:
            case Verdict.SUCCESS:
                self.success(key)
            case Verdict.FAILED:
                self.log.error("%s failed: %s", key, outcome.reason)
                self._fail(key, outcome.reason, kind="failed")
            case _:
                self.running.discard(key)

    def _fail(self, key: WorkloadKey, reason: str, *, kind: str) -> None:
        self._launches.pop(key, None)
        self._audit.note(kind, key, reason)
        self.fail(key, info=reason)

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
        if state == TaskInstanceState.FAILED:
            self._revoke(key)
        super().change_state(key, state, info, remove_running)

    def fail_connection_test(self, key: ConnectionTestKey) -> None:
        """Forget a connection test that took too long, and delete its pod."""
        super().fail_connection_test(key)
        self._revoke(key)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Forget the task and delete its pod; adds no event."""
        try:
            self.queued_tasks.pop(ti.key, None)
            self.running.discard(ti.key)
            self._revoke(ti.key, otherwise=_compat.launch_id_of(ti.external_executor_id))
        except Exception:
            self.log.exception("cannot revoke a task")

    def _revoke(self, key: WorkloadKey, *, otherwise: UUID | None = None) -> None:
        launch = self._launches.pop(key, None)
        launch_id = otherwise if launch is None else launch.launch_id
        try:
            if launch_id is not None:
                self._loop.revoke(launch_id)
        except Exception:
            self.log.exception("cannot delete the pod of %s", key)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Follow the pods of schedulers that died; return what the scheduler has to reset."""
        began_s = time.monotonic()
        pairs, odd = adoption.orphans_of(tis)
        try:
            refused = self._loop.adopt(
                [orphan for _, orphan in pairs], wait_s=self._settings.adoption_wait_s
            )
        except Exception:
            # A reset would start these tasks beside their pods; trust costs a timeout at worst.
            self.log.exception("adoption failed: %d tasks are trusted to have a pod", len(pairs))
            refused = []
        adopted, homeless = adoption.without(pairs, refused)
        for orphan in adopted:
            self._follow(orphan)
        self._measured.count(metrics.ADOPTED, len(adopted), outcome="followed")
        self._measured.count(metrics.ADOPTED, len(homeless), outcome="refused")
        self._measured.timing(metrics.ADOPTION, time.monotonic() - began_s)
        self.log.info("adopted %d of %d tasks", len(adopted), len(tis))
        return [*odd, *requeue.orphans(homeless)]

    def _follow(self, orphan: Orphan) -> None:
        key: Any = orphan.key
        self._launches[key] = orphan
        self.running.add(key)

    def _read_abandoned(self, abandoned: Sequence[Abandoned]) -> dict[UUID, Hashable]:
        """Return the workloads to inherit, and announce them to `sync`. Worker thread."""
        keys = _compat.abandoned_keys(abandoned)
        self._inherited.extend(adoption.inherited(abandoned, keys))
        return keys

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """Return messages and the last log lines of the task's pod. Any thread."""
        return task_logs.tail(ti, try_number=try_number, settings=self._settings)

    def end(self) -> None:
        """Stop the loop thread; pods go on running and are adopted later.

        A launch whose pod was not created yet is found without one by the next scheduler, which
        queues its task again.
        """
        self._loop.stop()

    def terminate(self) -> None:
        """Stop the loop thread, for Airflow's SIGTERM path."""
        self._loop.stop()

    def _make_bridge(self) -> Bridge:
        return Bridge(self._build_engine)

    def _build_engine(self, emit: Emit) -> Engine:
        return assembly.engine(
            self._settings,
            emit=workloads.telling(emit),
            scheduler=str(self.job_id or ""),
            measured=self._measured,
            on_event=self._audit.on_event,
            read_abandoned=self._read_abandoned,
            team=self.team_name or "",
        )
