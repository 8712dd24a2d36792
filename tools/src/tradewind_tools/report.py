"""What became of a run: rows from task instances and pods, as a table or as JSON. Pure.

One row per try of a task instance. A try has no pod when the scheduler ended it by itself (skipped,
upstream failed, an operator without work), one normally, and several when it was deferred: a task
that waits for a trigger gives its pod back and goes on in another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

COLORS = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "red",
    "up_for_retry": "yellow",
    "skipped": "dim",
}
"""Of states that should catch the eye, or should not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Names one try of one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    """-1 for a task that is not mapped."""
    try_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A pod and the node it ran on; the node is empty for a pod that never got one."""

    pod: str
    node: str
    start: str = ""
    """`warm` in a pod that waited for a task, else `cold`; empty where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One try, as people want to see it."""

    dag: str
    task: str
    map_index: int
    try_number: int
    """0 when it never got as far as that."""
    places: tuple[Place, ...]
    queued_to_start_s: float | None
    """None when it never started, or was deferred: then it was queued again after its start."""
    duration_s: float | None
    state: str

    @property
    def label(self) -> str:
        """The task's id, with the map index of a mapped one."""
        return f"{self.task}[{self.map_index}]" if self.map_index >= 0 else self.task


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    dag: str
    run: str
    state: str
    duration_s: float | None
    tasks: tuple[TaskRow, ...]


def rows(
    instances: Iterable[Mapping[str, Any]], *, places: Mapping[Try, Sequence[Place]]
) -> tuple[TaskRow, ...]:
    """Return the rows of task instances as the REST API describes them, in order of their start."""
    ordered = sorted(instances, key=_order)
    return tuple(_row(item, places=places.get(key_of(item), ())) for item in ordered)


def key_of(instance: Mapping[str, Any]) -> Try:
    """Return which try a task instance of the REST API is."""
    return Try(
        dag_id=instance["dag_id"],
        run_id=instance["dag_run_id"],
        task_id=instance["task_id"],
        map_index=instance["map_index"],
        try_number=instance["try_number"],
    )


def summary(instances: Iterable[Mapping[str, Any]]) -> str:
    """Return how many task instances are in which state, such as `2 running, 1 success`."""
    counts: dict[str, int] = {}
    for item in instances:
        state = item["state"] or "waiting"
        counts[state] = counts.get(state, 0) + 1
    return ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))


def table(run: Run) -> Table:
    """Return the table for people."""
    shown = Table(title=f"{run.run}: {_colored(run.state)}", title_justify="left")
    for heading in ("DAG", "task", "try", "pod", "start", "node"):
        # A pod's name is there to be copied: rather on two lines than cut.
        shown.add_column(heading, overflow="fold")
    for heading in ("queued→\nstart s", "duration\ns"):
        shown.add_column(heading, justify="right")
    shown.add_column("state")
    for row in run.tasks:
        shown.add_row(
            *(escape(row.dag), escape(row.label), str(row.try_number or "")),
            "\n".join(place.pod for place in row.places),
            "\n".join(place.start for place in row.places),
            "\n".join(place.node for place in row.places),
            *(seconds(row.queued_to_start_s), seconds(row.duration_s)),
            _colored(row.state),
        )
    return shown


def document(run: Run) -> dict[str, Any]:
    """Return the same for machines, ready for `json.dumps`."""
    return asdict(run)


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """Return the seconds from one API timestamp to a later one, else None."""
    if not begin or not end:
        return None
    passed_s = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return passed_s if passed_s >= 0 else None


def seconds(value: float | None) -> str:
    """Return seconds for a table, empty when there are none."""
    return "" if value is None else f"{value:.2f}"


def _order(instance: Mapping[str, Any]) -> tuple[Any, ...]:
    began = instance["start_date"] or ""
    key = (instance["task_id"], instance["map_index"], instance["try_number"])
    return (not began, began and datetime.fromisoformat(began), *key)


def _row(instance: Mapping[str, Any], *, places: Sequence[Place]) -> TaskRow:
    if not places and instance["hostname"]:
        # Not recorded (another executor's labels): the worker's own word, which knows no node.
        places = [Place(pod=instance["hostname"], node="")]
    return TaskRow(
        dag=instance["dag_id"],
        task=instance["task_id"],
        map_index=instance["map_index"],
        try_number=instance["try_number"],
        places=tuple(places),
        queued_to_start_s=seconds_between(instance["queued_when"], instance["start_date"]),
        duration_s=instance["duration"],
        state=instance["state"] or "none",
    )


def _colored(state: str) -> str:
    color = COLORS.get(state)
    return f"[{color}]{escape(state)}[/{color}]" if color else escape(state)
