"""Builders of the janitor's tests. Pods are launched at 0 s and judged at `NOW_S`."""

from tradewind.janitor.evidence import Evidence, Node, Row, Standing
from tradewind.janitor.policy import Rules
from tradewind.janitor.view import PodView, Stage
from tradewind.pods.labels import TaskRef

NOW_S = 100_000.0
OURS = "ours"
RULES = Rules(installation=OURS)


def a_try(number=1, **changed):
    values = {"dag_id": "etl", "task_id": "load", "run_id": "manual__1", "try_number": number}
    return TaskRef(**(values | changed))


def a_view(**changed):
    values = {
        "namespace": "tasks",
        "name": "etl-load-abc",
        "uid": "u1",
        "version": "7",
        "stage": Stage.RUNNING,
        "phase": "Running",
        "installation": OURS,
        "launch_id": "8c1f3b5e-0000-4000-8000-000000000001",
        "task": a_try(),
        "row_id": "row-1",
        "launched_s": 0.0,
    }
    return PodView(**(values | changed))


def ended_view(stage=Stage.SUCCEEDED, **changed):
    phase = "Succeeded" if stage is Stage.SUCCEEDED else "Failed"
    return a_view(**({"stage": stage, "phase": phase, "ended_s": NOW_S - 5_000} | changed))


def idle_view(**changed):
    return a_view(**({"launch_id": "", "pool": "default", "task": None, "row_id": ""} | changed))


def leaving_view(overdue_s=10_000.0, **changed):
    return a_view(**({"leaves_s": NOW_S - overdue_s, "node": "node-1"} | changed))


def proof(standing=Standing.FINISHED, *, seen_s=10_000.0, trusted=True, node=Node.UNKNOWN):
    """Return evidence that was first seen `seen_s` seconds ago."""
    return Evidence(
        standing=standing,
        said=f"try 1 is {standing}",
        lasted_s=seen_s,
        is_trusted=trusted,
        node=node,
    )


def a_row(state="success", **changed):
    return Row(**({"id": "row-1", "try_number": 1, "state": state} | changed))
