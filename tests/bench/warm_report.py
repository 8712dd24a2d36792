"""The figures of `warm_start.py` as tables."""

import statistics
from collections import Counter

from rich.console import Console
from rich.table import Table

STEPS = (
    ("queued → claimed", None, "claimed_ms"),
    ("claimed → delivered", "claimed_ms", "delivered_ms"),
    ("delivered → run", "delivered_ms", "run_ms"),
    ("run → user code", "run_ms", "user_code_ms"),
    ("queued → user code", None, "user_code_ms"),
)


def show(figures, goals):
    """Print what was reached, every phase, and where a warm launch's milliseconds went."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)
    table = Table("figure", "reached s", "goal s", "")
    for name, (reached, goal) in goals.items():
        table.add_row(name, f"{reached:.2f}", f"≤ {goal:.2f}", "yes" if reached <= goal else "no")
    console.print(table)
    console.print(_phases(figures))
    for name, phase in figures.items():
        if rows := phase.get("rows"):
            console.print(_steps(name, rows))


def _phases(figures):
    table = Table("phase", "tasks", "min s", "p50 s", "p90 s", "max s", "whole s", "pods", "load")
    for name, phase in figures.items():
        for words, part in _parts(name, phase):
            table.add_row(*_phase(words, part, phase["load"]))
    return table


def _parts(name, phase):
    """Yield what has a line of its own: the phase, of each executor, each burst."""
    if "tasks" in phase:
        yield name, phase
        return
    for executor in ("tradewind", "upstream"):
        part = phase[executor]
        if "tasks" in part:
            yield f"{name}, {executor}", part
        for number, tasks in enumerate(part.get("bursts", ()), start=1):
            yield f"{name}, {executor}, {number}", {"tasks": tasks}


def _phase(name, phase, load):
    seconds = sorted(task["user_code_s"] - task["queued_s"] for task in phase["tasks"])
    whole = max(task["user_code_s"] for task in phase["tasks"]) - min(
        task["queued_s"] for task in phase["tasks"]
    )
    p90 = seconds[-(-len(seconds) * 9 // 10) - 1]
    figures = (seconds[0], statistics.median(seconds), p90, seconds[-1], whole)
    kinds = Counter(row["temperature"] for row in phase.get("rows", ()))
    pods = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return (name, str(len(seconds)), *(f"{value:.2f}" for value in figures), pods, f"{load:.1f}")


def _steps(name, rows):
    table = Table("step", "p50 ms", "p90 ms", "max ms", title=f"{name}: where warm launches were")
    warm = [row for row in rows if row["temperature"] == "warm"]
    for step, since, until in STEPS:
        values = sorted(
            row[until] - row.get(since, 0)
            for row in warm
            if until in row and (since is None or since in row)
        )
        if values:
            p90 = values[-(-len(values) * 9 // 10) - 1]
            row = (statistics.median(values), p90, values[-1])
            table.add_row(step, *(f"{value:.0f}" for value in row))
    cpu = sorted(row["cpu_s"] * 1000 for row in warm if "cpu_s" in row)
    if cpu:
        row = (statistics.median(cpu), cpu[-(-len(cpu) * 9 // 10) - 1], cpu[-1])
        table.add_row("processor time in the pod", *(f"{value:.0f}" for value in row))
    return table
