"""Figures of the dispatcher: counters that only grow, and a snapshot with the gauges.

Every change of a counter is told to the metrics too, so that no place can forget one of the two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tradewind import metrics
from tradewind.client.models import Pod
from tradewind.contract import Measured
from tradewind.dispatch.gates.gates import Gates
from tradewind.dispatch.gates.parking import Parking
from tradewind.dispatch.ledger import Entry, Ledger, Phase
from tradewind.metrics import UNMEASURED, Metrics
from tradewind.pods import labels, state

MEBIBYTE = 2**20


@dataclass(slots=True)
class Counters:
    """What happened since the start. Loop thread only."""

    creates: int = 0
    """Pods created."""
    deletes: int = 0
    """Deletions the API server accepted."""
    relaunches: int = 0
    """Pods replaced at no retry of their task."""
    strays_deleted: int = 0
    claims: int = 0
    """Launches that got an idle pod."""
    misses: Counter[str] = field(default_factory=Counter)
    """Launches that started cold beside warm pools, by reason."""
    api_errors: Counter[str] = field(default_factory=Counter)
    """Failed creates and deletes by `pods.not_created.word_of`."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Reported ends by verdict, in lower case."""
    measured: Metrics = UNMEASURED
    _crowded: set[str] = field(default_factory=set)
    """Namespaces whose gauge has to go back to 0."""

    def taken(self) -> None:
        """Count a launch taken from the scheduler."""
        self.measured.count(metrics.LAUNCHES)

    def created(self, namespace: str, *, waited_s: float) -> None:
        """Count a pod created, so long after its launch was taken."""
        self.creates += 1
        self.measured.count(metrics.PODS_CREATED, namespace=namespace)
        self.measured.timing(metrics.QUEUED_TO_POSTED, waited_s)

    def claimed(self, pool: str, *, took_s: float) -> None:
        """Count a launch that got an idle pod."""
        self.claims += 1
        self.measured.count(metrics.CLAIMS_WON, pool=pool)
        self.measured.timing(metrics.CLAIM, took_s, pool=pool)

    def saw(self, entry: Entry, pod: Pod, now_s: float) -> None:
        """Measure the steps of a launch of ours, from when they were seen."""
        if entry.launch is None or entry.has_run or labels.POOL in pod.metadata.labels:
            return  # A claimed pod was placed and started before its launch began.
        if entry.placed_s is None and pod.spec.node_name:
            entry.placed_s = now_s
            self.placed(now_s - entry.live_since_s)
        if state.has_started(pod) and entry.placed_s is not None:
            entry.has_run = True
            self.started(now_s - entry.placed_s)

    def claim_lost(self, pool: str) -> None:
        """Count a claim that another's went before."""
        self.measured.count(metrics.CLAIMS_LOST, pool=pool)

    def missed(self, reason: str) -> None:
        """Count a launch that starts cold beside warm pools."""
        self.misses[reason] += 1
        self.measured.count(metrics.CLAIMS_MISSED, reason=reason)

    def pool_created(self, namespace: str) -> None:
        """Count a pod created for a pool."""
        self.measured.count(metrics.PODS_CREATED, namespace=namespace)

    def pool(self, name: str, *, idle: int, starting: int, target: int, age_max_s: float) -> None:
        """Tell a pool's gauges of this moment."""
        self.measured.gauge(metrics.POOL_IDLE, idle, pool=name)
        self.measured.gauge(metrics.POOL_STARTING, starting, pool=name)
        self.measured.gauge(metrics.POOL_TARGET, target, pool=name)
        self.measured.gauge(metrics.POOL_AGE_MAX, age_max_s, pool=name)

    def placed(self, waited_s: float) -> None:
        """Note how long a pod waited for its node."""
        self.measured.timing(metrics.POSTED_TO_SCHEDULED, waited_s)

    def started(self, waited_s: float) -> None:
        """Note how long a pod's container took to run on its node."""
        self.measured.timing(metrics.SCHEDULED_TO_STARTED, waited_s)

    def measured_launch(self, measured: Measured, *, dag_id: str) -> None:
        """Note how long a launch took to its task's start, and what the task used and requested.

        `dag_id` is empty for a workload of no DAG.
        """
        for metric, amount in _usage(measured) if dag_id else ():
            self.measured.count(metric, amount, dag_id=dag_id)
        if measured.run_ms is not None:
            waited_s = measured.run_ms / 1000
            kind = measured.temperature
            self.measured.timing(metrics.LAUNCH_LATENCY, waited_s, temperature=kind)

    def deleted(self, namespace: str) -> None:
        """Count a deletion that the API server accepted."""
        self.deletes += 1
        self.measured.count(metrics.PODS_DELETED, namespace=namespace)

    def failed_call(self, kind: str) -> None:
        """Count a create or delete that failed."""
        self.api_errors[kind] += 1
        self.measured.count(metrics.RETRIES, kind=kind)

    def relaunched(self, cause: str) -> None:
        """Count a pod that is replaced."""
        self.relaunches += 1
        self.measured.count(metrics.RELAUNCHES, cause=cause)

    def ended(self, cause: str) -> None:
        """Count a pod's end."""
        self.measured.count(metrics.ENDS, cause=cause)

    def show(self, stats: Stats) -> None:
        """Tell the gauges of this moment."""
        self.measured.gauge(metrics.PENDING, stats.waiting + stats.parked + stats.creating)
        self.measured.gauge(metrics.STARTING, stats.pending)
        self.measured.gauge(metrics.RUNNING, stats.running)
        self._crowded |= stats.parked_by_namespace.keys()
        for namespace in self._crowded:
            count = stats.parked_by_namespace.get(namespace, 0)
            self.measured.gauge(metrics.PARKED, count, namespace=namespace)


def _usage(measured: Measured) -> Iterator[tuple[metrics.Counter, int]]:
    """Yield what is known; a request counts only beside its use, so that both can be compared."""
    seconds = measured.duration_s
    if seconds is None or seconds < 0:
        return
    if measured.cpu_s is not None:
        yield metrics.DAG_CPU_USED, round(measured.cpu_s * 1000)
        yield metrics.DAG_CPU_REQUESTED, round((measured.cpu_request_s or 0) * seconds * 1000)
    if measured.peak_memory_bytes is not None:
        requested = measured.memory_request_bytes or 0
        yield metrics.DAG_MEMORY_USED, round(measured.peak_memory_bytes / MEBIBYTE * seconds)
        yield metrics.DAG_MEMORY_REQUESTED, round(requested / MEBIBYTE * seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The dispatcher at one moment."""

    waiting: int
    """Launches in the backlog or between two attempts."""
    parked: int
    """Launches that wait for a namespace's quota."""
    parked_reasons: Mapping[str, str]
    """By namespace."""
    parked_by_namespace: Mapping[str, int]
    creating: int
    pending: int
    """Pods whose base container was not started yet."""
    starting: int
    """Pods whose task has not begun, where nothing but the node's speed holds it up."""
    running: int
    """Pods whose base container runs."""
    settling: int
    trusted: int
    """Adopted launches whose pod has not been found yet."""
    deletes_queued: int
    open_slots: int
    """Creates that may begin now beside those under way."""
    starting_limit: int
    is_api_server_down: bool
    creates: int
    deletes: int
    relaunches: int
    strays_deleted: int
    claims: int
    misses: Mapping[str, int]
    api_errors: Mapping[str, int]
    outcomes: Mapping[str, int]


def snapshot(
    ledger: Ledger, *, gates: Gates, parking: Parking, deletes_queued: int, counters: Counters
) -> Stats:
    """Return the figures of this moment."""
    phases = [entry.phase for entry in list(ledger.entries.values())]
    return Stats(
        waiting=phases.count(Phase.WAITING) - len(parking),
        parked=len(parking),
        parked_reasons=parking.reasons(),
        parked_by_namespace=parking.sizes(),
        creating=phases.count(Phase.CREATING),
        pending=gates.pending,
        starting=len(gates.starts),
        running=phases.count(Phase.LIVE) - gates.pending,
        settling=phases.count(Phase.SETTLING),
        trusted=phases.count(Phase.TRUSTED),
        deletes_queued=deletes_queued,
        open_slots=max(0, gates.window.limit - gates.window.in_flight),
        starting_limit=gates.starts.limit,
        is_api_server_down=gates.breaker.is_open,
        creates=counters.creates,
        deletes=counters.deletes,
        relaunches=counters.relaunches,
        strays_deleted=counters.strays_deleted,
        claims=counters.claims,
        misses=dict(counters.misses),
        api_errors=dict(counters.api_errors),
        outcomes=dict(counters.outcomes),
    )
