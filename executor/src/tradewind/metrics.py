"""Every metric the product gives, in one table: `METRICS`. A leaf that knows no Airflow.

Code counts with the constants below, so that a misspelt name does not import. A wrong label is a
ValueError of the default `Metrics`, which every test runs with; the one that feeds Airflow's stats
never raises. docs/contract.md repeats the table and a test keeps both in step.

Label values come from small closed sets (causes, classes of status, namespaces): a task's or pod's
name as a label would make a time series of each. What tasks cost is told by DAG, as Airflow's own
metrics are: there are hundreds at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as users see it."""

    name: str
    unit: str
    labels: tuple[str, ...]
    meaning: str

    kind: ClassVar[str]


class Counter(Metric):
    """Only grows."""

    __slots__ = ()
    kind = "counter"


class Gauge(Metric):
    """Goes up and down."""

    __slots__ = ()
    kind = "gauge"


class Timer(Metric):
    """A duration. Given in seconds here, published in milliseconds by Airflow's stats."""

    __slots__ = ()
    kind = "timer"


class Metrics(Protocol):
    """Where measurements go. Cheap, never blocks; any thread."""

    def count(self, metric: Counter, amount: int = 1, /, **labels: str) -> None:
        """Add `amount`."""
        ...

    def gauge(self, metric: Gauge, value: float, /, **labels: str) -> None:
        """Set the value."""
        ...

    def timing(self, metric: Timer, seconds: float, /, **labels: str) -> None:
        """Add a duration."""
        ...


class Unmeasured:
    """Measures nothing, but insists on the table's labels."""

    def count(self, metric: Counter, _: int = 1, /, **labels: str) -> None:
        """Check the labels; ValueError when they are not the metric's."""
        check(metric, labels)

    def gauge(self, metric: Gauge, _: float, /, **labels: str) -> None:
        """Check the labels; ValueError when they are not the metric's."""
        check(metric, labels)

    def timing(self, metric: Timer, _: float, /, **labels: str) -> None:
        """Check the labels; ValueError when they are not the metric's."""
        check(metric, labels)


def check(metric: Metric, labels: dict[str, str]) -> None:
    """Compare the labels with the table.

    Raises:
        ValueError: one is missing or unknown.

    """
    if set(labels) != set(metric.labels):
        wanted = ", ".join(metric.labels) or "none"
        given = ", ".join(sorted(labels)) or "none"
        raise ValueError(f"{metric.name} is labelled {wanted}, not {given}")


UNMEASURED = Unmeasured()

# -- of Airflow's KubernetesExecutor, so that its dashboards go on ---------------------------------

POD_CREATION = Timer(
    "kubernetes_executor.pod_creation", "ms", (), "One create of a pod, answer included"
)
POD_CREATION_STATUS = Counter(
    "kubernetes_executor.pod_creation_status",
    "calls",
    ("status",),
    "Creates by HTTP status; `200` on success, `error` without an answer",
)
POD_DELETION = Timer("kubernetes_executor.pod_deletion", "ms", (), "One delete of a pod")
POD_DELETION_STATUS = Counter(
    "kubernetes_executor.pod_deletion_status",
    "calls",
    ("status",),
    "Deletes by HTTP status; `200` on success, `error` without an answer",
)
POD_PATCHING = Timer("kubernetes_executor.pod_patching", "ms", (), "One patch of a pod")
POD_PATCHING_STATUS = Counter(
    "kubernetes_executor.pod_patching_status",
    "calls",
    ("status",),
    "Patches by HTTP status; `200` on success, `error` without an answer",
)
POD_CREATION_BATCH_DURATION = Timer(
    "kubernetes_executor.pod_creation_batch_duration",
    "ms",
    (),
    "Handing one heartbeat's tasks to the loop thread",
)
POD_CREATION_BATCH_SIZE = Gauge(
    "kubernetes_executor.pod_creation_batch_size", "tasks", (), "Tasks of the last heartbeat"
)
ADOPTION = Timer(
    "kubernetes_executor.adopt_task_instances.duration",
    "ms",
    (),
    "Adopting the tasks of a scheduler that died",
)

# -- our own --------------------------------------------------------------------------------------

LAUNCHES = Counter("tradewind.launches", "launches", (), "Tasks taken from the scheduler")
PODS_CREATED = Counter("tradewind.pods_created", "pods", ("namespace",), "Pods created")
PODS_DELETED = Counter("tradewind.pods_deleted", "pods", ("namespace",), "Pods deleted")
API_REQUESTS = Counter(
    "tradewind.api_requests",
    "calls",
    ("verb", "status_class"),
    "Calls to the API server; the class is `2xx` to `5xx`, or `none` without an answer",
)
API_LATENCY = Timer(
    "tradewind.api_latency", "ms", ("verb",), "One call to the API server; of a watch its opening"
)
RETRIES = Counter(
    "tradewind.retries",
    "retries",
    ("kind",),
    "Creates and deletes that failed, such as `throttled` or `quota`; most are repeated",
)
PARKED = Gauge(
    "tradewind.parked",
    "launches",
    ("namespace",),
    "Launches that wait for a quota to have room",
)
PENDING = Gauge("tradewind.pending", "launches", (), "Launches without a pod")
STARTING = Gauge(
    "tradewind.starting",
    "pods",
    (),
    "Pods whose task has not begun, held up by nothing but the node's speed",
)
RUNNING = Gauge("tradewind.running", "pods", (), "Pods whose task's container runs")
RELAUNCHES = Counter(
    "tradewind.relaunches",
    "pods",
    ("cause",),
    "Pods replaced because they ended before their task began, by kind of failure-reasons.md",
)
ENDS = Counter(
    "tradewind.ends",
    "pods",
    ("cause",),
    "Pods that ended: `completed`, or a kind of docs/failure-reasons.md",
)
WATCH_RECONNECTS = Counter(
    "tradewind.watch_reconnects", "watches", ("namespace",), "Watches opened anew after a break"
)
WATCH_RELISTS = Counter(
    "tradewind.watch_relists", "lists", ("namespace",), "Lists after a version became too old"
)
QUEUED_TO_POSTED = Timer(
    "tradewind.queued_to_posted", "ms", (), "From the scheduler's hand-over to the pod's create"
)
POSTED_TO_SCHEDULED = Timer(
    "tradewind.posted_to_scheduled", "ms", (), "From the pod's create to a node"
)
SCHEDULED_TO_STARTED = Timer(
    "tradewind.scheduled_to_started", "ms", (), "From a node to the running container"
)
CLAIMS_WON = Counter(
    "tradewind.claim.won", "launches", ("pool",), "Launches that got an idle pod of a warm pool"
)
CLAIMS_LOST = Counter(
    "tradewind.claim.lost", "claims", ("pool",), "Claims of a pod that another got first"
)
CLAIMS_MISSED = Counter(
    "tradewind.claim.miss",
    "launches",
    ("reason",),
    "Launches that started cold beside warm pools: `no_pool` of their shape, `empty`, `starting`, "
    "`lost`, `refused`, `error`",
)
CLAIM = Timer(
    "tradewind.claim.duration", "ms", ("pool",), "From an idle pod's choice to its claim's answer"
)
POOL_IDLE = Gauge("tradewind.pool.idle", "pods", ("pool",), "Idle pods, ready for a launch")
POOL_STARTING = Gauge("tradewind.pool.starting", "pods", ("pool",), "Idle pods on their way")
POOL_TARGET = Gauge("tradewind.pool.target", "pods", ("pool",), "Idle pods that are wanted")
POOL_AGE_MAX = Gauge("tradewind.pool.age_max", "s", ("pool",), "Age of the oldest idle pod")
LAUNCH_LATENCY = Timer(
    "tradewind.launch.latency",
    "ms",
    ("temperature",),
    "From queued to the worker's start of the task, in a `warm` or `cold` pod that boarded",
)
DAG_CPU_USED = Counter(
    "tradewind.dag.cpu_used",
    "ms",
    ("dag_id",),
    "Processor time that tasks used, as their pods told at their end",
)
DAG_CPU_REQUESTED = Counter(
    "tradewind.dag.cpu_requested",
    "ms",
    ("dag_id",),
    "Processor time that the same tasks had requested: cores by time",
)
DAG_MEMORY_USED = Counter(
    "tradewind.dag.memory_used",
    "MiB s",
    ("dag_id",),
    "Peak memory of tasks by time, page cache included",
)
DAG_MEMORY_REQUESTED = Counter(
    "tradewind.dag.memory_requested",
    "MiB s",
    ("dag_id",),
    "Memory that the same tasks had requested, by time",
)
SYNC = Timer("tradewind.sync", "ms", (), "One `sync` on the scheduler's thread")
ADOPTED = Counter(
    "tradewind.adopted",
    "launches",
    ("outcome",),
    "Tasks of other schedulers: `followed` has a pod, `refused` has none",
)
LOOP_ALIVE = Gauge("tradewind.loop_alive", "", (), "1 while the loop thread lives, else 0")
CLOCK_SKEW = Gauge(
    "tradewind.clock_skew", "s", (), "How far the scheduler's clock is ahead of the API server's"
)
BOARD_DELIVERED = Counter(
    "tradewind.board.delivered",
    "workloads",
    ("workload",),
    "Workloads handed to pods that asked: `task`, `callback` or `connection-test`",
)
BOARD_EMPTY = Counter(
    "tradewind.board.empty", "requests", (), "Requests of idle pods that no launch had claimed"
)
BOARD_DENIED = Counter(
    "tradewind.board.denied",
    "requests",
    ("reason",),
    "Requests for a workload whose identity was not accepted",
)
BOARD_SUPERSEDED = Counter(
    "tradewind.board.superseded",
    "requests",
    ("reason",),
    "Requests of pods that run nothing any more: `not_open`, `gone`, `draining`, `overdue`, "
    "`protocol` or `template`",
)
BOARD_THROTTLED = Counter(
    "tradewind.board.throttled",
    "requests",
    ("reason",),
    "Requests told to come later: `too_fast` or `too_many`",
)
BOARD_WAITING = Gauge(
    "tradewind.board.waiting",
    "requests",
    (),
    "Requests of idle pods held by one API-server process",
)
BOARD_HANDOVER = Timer(
    "tradewind.board.handover", "ms", (), "From the claim of a pod to the workload on its way"
)
WATCH_LAG = Timer(
    "tradewind.watch.lag", "ms", (), "From the claim of an idle pod to the API server's news of it"
)

# -- of workers and triggerers --------------------------------------------------------------------

LOG_LINES_LOST = Counter(
    "tradewind.log_lines_lost",
    "lines",
    (),
    "Lines of tasks' logs that Loki refused, or did not take before the pod had to end",
)

# -- of the janitor, served by its own metrics page -----------------------------------------------

JANITOR_SWEEPS = Counter(
    "tradewind.janitor.sweeps",
    "sweeps",
    ("outcome",),
    "Passes over all pods: `done`, `doubtful` when nothing could be deleted, `failed`",
)
JANITOR_SWEEP = Timer("tradewind.janitor.sweep", "s", (), "One pass over all pods")
JANITOR_LAST_SWEEP = Gauge(
    "tradewind.janitor.last_sweep", "s", (), "When the last pass ended, in seconds since 1970"
)
JANITOR_PODS = Gauge(
    "tradewind.janitor.pods",
    "pods",
    ("reason",),
    "Pods of the last pass by why they stay or go: docs/janitor.md",
)
JANITOR_DELETIONS = Counter(
    "tradewind.janitor.deletions",
    "pods",
    ("reason", "outcome"),
    "Pods that were to go, and what became of it: `deleted`, `capped`, `failed` and others",
)
JANITOR_EVIDENCE_ERRORS = Counter(
    "tradewind.janitor.evidence_errors",
    "answers",
    ("kind",),
    "Questions that Airflow's REST API did not answer: `unreachable`, `failing`, `refused`, "
    "`unreadable`",
)
JANITOR_LEADS = Gauge(
    "tradewind.janitor.leads", "", (), "1 while this janitor may delete, 0 on standby"
)
JANITOR_WATCHED = Counter(
    "tradewind.janitor.watched",
    "events",
    ("kind",),
    "What the watch told: `listed`, `added`, `modified`, `deleted`",
)
JANITOR_WATCH_BEHIND = Gauge(
    "tradewind.janitor.watch_behind",
    "pods",
    (),
    "Pods whose changes the watch has not told although a list has",
)

METRICS: tuple[Metric, ...] = tuple(
    found for found in list(globals().values()) if isinstance(found, Metric)
)
"""All of the above, in order."""
