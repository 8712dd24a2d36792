"""Airflow seam: why a task's pod waits or failed, for `airflow tradewind why`.

Two witnesses: the pod, while it exists, and the audit log, which outlives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tradewind import audit, task_history, task_pods
from tradewind.client.models import Pod
from tradewind.client.protocol import Cluster
from tradewind.config import Settings
from tradewind.contract import EVENT_MEASURED, Measured
from tradewind.errors import TradewindError
from tradewind.pods import diagnosis, measurement, state
from tradewind.pods.state import PodState

if TYPE_CHECKING:
    from rich.console import RenderableType

_SCHEDULERS_EVENTS = (
    "state mismatch",
    "heartbeat timeout",
    "stuck in queued reschedule",
    "stuck in queued tries exceeded",
)
"""Rows that Airflow's scheduler itself writes about a task's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStory:
    """What one pod says."""

    name: str
    """`namespace/name`."""
    state: str
    node: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything known about one try of one task."""

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    try_number: int
    state: str
    pods: list[PodStory]
    """Oldest first; empty when they are deleted or were never created."""
    events: list[task_history.AuditRow]
    """Oldest first."""
    trouble: str
    """Why the cluster could not be asked, or empty."""

    def as_dict(self) -> dict[str, Any]:
        """Return the story as plain values, times in ISO 8601."""
        return asdict(self)


def tell(
    dag_id: str,
    task_id: str,
    *,
    run_id: str | None,
    map_index: int,
    try_number: int | None,
    settings: Settings,
) -> Story:
    """Return what is known; `run_id` None means the latest run, `try_number` None the present try.

    Raises:
        TradewindError: there is no such task instance.

    """
    row = task_history.find_task_instance(dag_id, task_id, run_id=run_id, map_index=map_index)
    if row is None:
        where = f"run {run_id}" if run_id else "any run"
        mapped = "" if map_index < 0 else f" with map index {map_index}"
        raise TradewindError(
            f"task {task_id!r} of DAG {dag_id!r}{mapped} has no instance in {where}: see "
            f"`airflow dags list-runs {dag_id}` for its runs; mapped tasks need --map-index"
        )
    number = row.try_number if try_number is None else try_number
    pods, trouble = _ask(row, number, settings)
    return Story(
        dag_id=row.dag_id,
        task_id=row.task_id,
        run_id=row.run_id,
        map_index=row.map_index,
        try_number=number,
        state=row.state or "none",
        pods=pods,
        events=task_history.audit_rows(
            row, try_number=number, prefix=audit.PREFIX, others=_SCHEDULERS_EVENTS
        ),
        trouble=trouble,
    )


def tables(story: Story) -> list[RenderableType]:
    """Return the story as tables and lines for a terminal."""
    from rich.table import Table  # noqa: PLC0415 - every `airflow` command would pay for it

    parts: list[RenderableType] = [_headline(story)]
    if story.pods:
        table = Table("pod", "state", "node", "why")
        for pod in story.pods:
            table.add_row(pod.name, pod.state, pod.node, pod.text)
        parts.append(table)
    elif story.trouble:
        parts.append(f"The cluster cannot be asked: {story.trouble}")
    else:
        parts.append("No pod of this try exists: it was not created yet, or it is deleted.")
    sentences = [row for row in story.events if row.event != audit.EVENTS["log"]]
    if sentences:
        table = Table("time", "event", "text")
        for row in sentences:
            table.add_row(row.at, row.event, _shown(row))
        parts.append(table)
    else:
        parts.append("The audit log has no row about its pod.")
    return [*parts, *_last_lines(story)]


def _last_lines(story: Story) -> Iterator[RenderableType]:
    from rich.text import Text  # noqa: PLC0415 - as above

    for row in story.events:
        if row.event == audit.EVENTS["log"]:
            # Text, not markup: logs are full of brackets.
            yield Text(f"The last lines that its pod wrote:\n{row.text}")


def _shown(row: task_history.AuditRow) -> str:
    measured = Measured.decode(row.text) if row.event == EVENT_MEASURED else None
    return row.text if measured is None else measurement.sentence(measured)


def _headline(story: Story) -> str:
    mapped = "" if story.map_index < 0 else f" map index {story.map_index}"
    task = f"{story.dag_id}.{story.task_id}{mapped}, run {story.run_id}"
    return f"{task}, try {story.try_number}: task instance is {story.state}"


def _ask(row: task_history.TaskRow, number: int, settings: Settings) -> tuple[list[PodStory], str]:
    selectors = task_pods.selectors_of(row, try_number=number)
    namespaces = task_pods.namespaces_of(row, settings)

    async def ask(cluster: Cluster) -> list[Pod]:
        return await task_pods.find(cluster, namespaces, selectors)

    try:
        return [_pod_story(pod) for pod in task_pods.visit(settings, ask)], ""
    except (TradewindError, OSError) as error:
        return [], str(error)


def _pod_story(pod: Pod) -> PodStory:
    pod_state = state.of(pod)
    match pod_state:
        case PodState.RUNNING:
            text = "its container runs"
        case PodState.SUCCEEDED:
            text = "its container ended with exit code 0; a task that fails ends so too"
        case _:
            text = diagnosis.of(pod)
    return PodStory(
        name=f"{pod.metadata.namespace}/{pod.metadata.name}",
        state=pod_state.value,
        node=pod.spec.node_name,
        text=text,
    )
