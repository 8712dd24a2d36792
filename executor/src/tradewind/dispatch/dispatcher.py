"""Turn launches into pods and pods' ends into outcomes.

Everything here runs on the loop thread. A launch passes: heap (highest priority first, until the
moment of the create) -> create -> watch -> settle against the task instance's row -> outcome, and
its pod is deleted once. Invariants: at most one pod per (launch, ordinal); an outcome per launch;
no error of one launch reaches another.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from uuid import UUID

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.dispatch import publish_policy
from tradewind.dispatch.deleter import Deleter
from tradewind.dispatch.ledger import Entry, Launch, Ledger, Phase
from tradewind.dispatch.renderer import Renderer
from tradewind.dispatch.settle import TaskFacts, Verdict, settle, settle_by_pod
from tradewind.pods import diagnosis, labels, state
from tradewind.pods.state import PodState
from tradewind.watch.reflector import Change, Listing

log = logging.getLogger(__name__)

ReadFacts = Callable[[list[UUID]], dict[UUID, TaskFacts]]
"""Blocking read of task instances by primary key; called on a worker thread, batched."""

_SETTLE_PAUSE_S = 0.02
"""Pods that end within this window share one read of the database."""
_SETTLE_RETRY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of a launch, for the scheduler's thread."""

    key: Hashable
    launch_id: UUID
    verdict: Verdict
    reason: str


class Dispatcher:
    """The state machine of all launches of one executor."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        settings: Settings,
        renderer: Renderer,
        read_facts: ReadFacts,
        emit: Callable[[Outcome], None],
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._renderer = renderer
        self._read_facts = read_facts
        self._emit = emit
        self._clock = clock
        self._ledger = Ledger()
        self._heap: list[tuple[int, int, UUID]] = []
        self._sequence = itertools.count()
        self._work = asyncio.Semaphore(0)
        self._ended: asyncio.Queue[tuple[UUID, bool, str]] = asyncio.Queue()
        self._deleter = Deleter(cluster, clock=clock, concurrency=settings.delete_concurrency)

    # -- commands of the scheduler's thread, already on the loop thread -------------------------

    def submit(self, launch: Launch) -> None:
        """Queue a launch for its pod; a launch that is known already is left alone."""
        entry = Entry(
            key=launch.key,
            launch_id=launch.launch_id,
            row_id=launch.row_id,
            launch=launch,
            phase=Phase.WAITING,
            began_s=self._clock.now_s(),
        )
        if self._ledger.add(entry):
            self._push(entry)

    def adopt(
        self,
        key: Hashable,
        launch_id: UUID,
        *,
        row_id: UUID,
        pod: Pod | None,
        launch: Launch | None = None,
    ) -> None:
        """Follow a launch that another loop began; `pod` None trusts that it has one.

        `launch` is known when that loop was an earlier one of this process.
        """
        entry = Entry(
            key=key,
            launch_id=launch_id,
            row_id=row_id,
            launch=launch,
            phase=Phase.LIVE,
            pod=pod,
            ordinal=0 if pod is None else labels.ordinal_of(pod.metadata.labels),
            live_since_s=self._clock.now_s(),
        )
        if self._ledger.add(entry) and pod is not None:
            self.on_change(Change(pod=pod))

    def revoke(self, launch_id: UUID) -> None:
        """Forget the launch, report nothing, and see to it that no pod of it stays."""
        entry = self._ledger.get(launch_id)
        if entry is None:
            return
        entry.revoked = True
        self._ledger.drop(launch_id)
        if entry.pod is not None:
            self._deleter.delete(entry.pod)

    def pod_of(self, launch_id: UUID) -> Pod | None:
        """Return the launch's pod as last seen."""
        entry = self._ledger.get(launch_id)
        return None if entry is None else entry.pod

    # -- what the watch says ---------------------------------------------------------------------

    def on_change(self, change: Change) -> None:
        """Follow one change of one pod; pods of other owners are none of ours."""
        pod = change.pod
        launch_id = _launch_id(pod)
        entry = None if launch_id is None else self._ledger.get(launch_id)
        if entry is None or entry.phase is Phase.SETTLING or not _is_current(entry, pod):
            return
        self._go_live(entry, pod)
        match state.of(pod):
            case PodState.SUCCEEDED:
                self._settle(entry, ended_well=True, reason=_ended_silently(pod))
            case PodState.FAILED:
                self._settle(entry, ended_well=False, reason=diagnosis.of(pod))
            case _ if change.gone:
                self._settle(entry, ended_well=False, reason=diagnosis.deleted(pod))
            case PodState.RUNNING if not (entry.announced or entry.reports_itself):
                entry.announced = True
                self._report(entry, Verdict.RUNNING, "")

    def on_listed(self, listing: Listing) -> None:
        """Settle live launches whose pod a complete list of its namespace does not show."""
        for entry in self._ledger.live():
            pod = entry.pod
            if pod is None or listing.namespace not in {"", pod.metadata.namespace}:
                continue
            if entry.live_since_s < listing.began_s and pod.metadata.uid not in listing.uids:
                reason = f"{diagnosis.deleted(pod)}; nobody saw it end"
                self._settle(entry, ended_well=False, reason=reason)

    # -- loops -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._settings.create_concurrency):
                group.create_task(self._create_loop(), name=f"create-{number}")
            group.create_task(self._settle_loop(), name="settle")
            group.create_task(self._deleter.run(), name="delete")

    async def _create_loop(self) -> None:
        while True:
            await self._work.acquire()
            _, _, launch_id = heapq.heappop(self._heap)
            entry = self._ledger.get(launch_id)
            if entry is None or entry.launch is None or entry.phase is not Phase.WAITING:
                continue
            try:
                await self._create(entry, entry.launch)
            except Exception as error:
                log.exception("launch %s failed", launch_id)
                self._finish(entry, Verdict.FAILED, f"{type(error).__name__}: {error}")

    async def _create(self, entry: Entry, launch: Launch) -> None:
        manifest = await self._renderer.render(launch, ordinal=entry.ordinal)
        namespace = manifest["metadata"]["namespace"]
        entry.attempts += 1
        try:
            pod = await self._cluster.create_pod(namespace, manifest)
        except ClusterError as error:
            await self._after_refusal(entry, namespace, manifest["metadata"]["name"], error)
        else:
            self._created(entry, pod)

    def _created(self, entry: Entry, pod: Pod) -> None:
        if entry.revoked:
            self._deleter.delete(pod)
        elif entry.phase is Phase.WAITING:
            # Otherwise the watch was quicker than the answer, and knows more.
            self._go_live(entry, pod)

    def _go_live(self, entry: Entry, pod: Pod) -> None:
        if entry.phase is Phase.WAITING:
            entry.live_since_s = self._clock.now_s()
        entry.pod, entry.phase = pod, Phase.LIVE

    async def _after_refusal(
        self, entry: Entry, namespace: str, name: str, error: ClusterError
    ) -> None:
        if entry.phase is not Phase.WAITING:
            return  # The answer was lost, but the watch has shown the pod meanwhile.
        decision = publish_policy.decide_create(
            error,
            attempt=entry.attempts,
            elapsed_s=self._clock.now_s() - entry.began_s,
            budget_s=self._settings.launch_budget_s,
        )
        match decision:
            case publish_policy.Fail(reason=reason):
                self._finish(entry, Verdict.FAILED, reason)
            case publish_policy.Retry(after_s=after_s):
                log.warning("pod %s/%s again in %.1f s: %s", namespace, name, after_s, error)
                self._push_later(entry, after_s)
            case publish_policy.LookUp():
                await self._look_up(entry, namespace, name)

    async def _look_up(self, entry: Entry, namespace: str, name: str) -> None:
        """Tell our own earlier create, whose answer was lost, from a foreign pod of that name."""
        try:
            pod = await self._cluster.get_pod(namespace, name)
        except ApiError as error:
            if not error.is_not_found:
                self._push_later(entry, publish_policy.FIRST_BACKOFF_S)
                return
            # Created and gone between two calls: judge it by the task instance, like any end.
            self._settle(entry, ended_well=False, reason=f"pod {namespace}/{name} came and went")
        except ClusterError:
            self._push_later(entry, publish_policy.FIRST_BACKOFF_S)
        else:
            if _launch_id(pod) == entry.launch_id:
                self._created(entry, pod)
                self.on_change(Change(pod=pod))
            else:
                log.warning("pod name %s/%s is taken by another, using the next", namespace, name)
                entry.ordinal += 1
                self._push(entry)

    async def _settle_loop(self) -> None:
        while True:
            batch = [await self._ended.get()]
            await self._clock.sleep(_SETTLE_PAUSE_S)
            while not self._ended.empty():
                batch.append(self._ended.get_nowait())
            try:
                entries = [self._ledger.get(launch_id) for launch_id, _, _ in batch]
                row_ids = [entry.row_id for entry in entries if entry is not None]
                facts = await asyncio.to_thread(self._read_facts, row_ids)
            except Exception:
                log.exception("reading %d task instances failed, again soon", len(batch))
                await self._clock.sleep(_SETTLE_RETRY_S)
                for item in batch:
                    self._ended.put_nowait(item)
                continue
            for launch_id, ended_well, reason in batch:
                entry = self._ledger.get(launch_id)
                if entry is not None:
                    fact = facts.get(entry.row_id)
                    self._judge(entry, fact, ended_well=ended_well, reason=reason)

    # -- steps -----------------------------------------------------------------------------------

    def _judge(
        self, entry: Entry, facts: TaskFacts | None, *, ended_well: bool, reason: str
    ) -> None:
        verdict = self._verdict(entry, facts, ended_well=ended_well)
        if entry.pod is not None:
            self._dispose(entry.pod, failed=not ended_well or verdict is Verdict.FAILED)
        if verdict is Verdict.RELAUNCH:
            log.warning("launch %s again, its task never began: %s", entry.launch_id, reason)
            entry.ordinal, entry.attempts, entry.pod = entry.ordinal + 1, 0, None
            entry.began_s = self._clock.now_s()
            self._push(entry)
        else:
            self._finish(entry, verdict, reason)

    def _verdict(self, entry: Entry, facts: TaskFacts | None, *, ended_well: bool) -> Verdict:
        relaunches_left = self._settings.relaunch_limit - entry.ordinal
        if not entry.reports_itself:
            return settle_by_pod(
                ended_well=ended_well,
                has_started=entry.pod is not None and state.has_started(entry.pod),
                relaunches_left=relaunches_left,
            )
        return settle(
            facts,
            launch_id=entry.launch_id,
            relaunches_left=relaunches_left,
            can_relaunch=entry.launch is not None,
        )

    def _dispose(self, pod: Pod, *, failed: bool) -> None:
        settings = self._settings
        if settings.delete_pods and (settings.delete_failed_pods or not failed):
            self._deleter.delete(pod)

    def _settle(self, entry: Entry, *, ended_well: bool, reason: str) -> None:
        entry.phase = Phase.SETTLING
        self._ended.put_nowait((entry.launch_id, ended_well, reason))

    def _finish(self, entry: Entry, verdict: Verdict, reason: str) -> None:
        if entry.revoked:
            return
        self._ledger.drop(entry.launch_id)
        self._report(entry, verdict, reason)

    def _report(self, entry: Entry, verdict: Verdict, reason: str) -> None:
        self._emit(
            Outcome(key=entry.key, launch_id=entry.launch_id, verdict=verdict, reason=reason)
        )

    def _push(self, entry: Entry) -> None:
        if entry.revoked or entry.launch is None:
            return
        entry.phase = Phase.WAITING
        heapq.heappush(self._heap, (-entry.launch.priority, next(self._sequence), entry.launch_id))
        self._work.release()

    def _push_later(self, entry: Entry, after_s: float) -> None:
        # A sleeping launch holds no worker: others go on being created meanwhile.
        asyncio.get_running_loop().call_later(after_s, self._push_if_waiting, entry)

    def _push_if_waiting(self, entry: Entry) -> None:
        if entry.phase is Phase.WAITING:
            self._push(entry)


def _launch_id(pod: Pod) -> UUID | None:
    try:
        return UUID(pod.metadata.labels.get(labels.LAUNCH_ID, ""))
    except ValueError:
        return None


def _is_current(entry: Entry, pod: Pod) -> bool:
    """Whether the pod is the launch's present one and not an earlier, replaced pod."""
    return entry.launch is None or labels.ordinal_of(pod.metadata.labels) == entry.ordinal


def _ended_silently(pod: Pod) -> str:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    return f"pod {name} ended with exit code 0, but its task never reported a result"
