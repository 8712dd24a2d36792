"""Airflow seam: `airflow tradewind advise`. Parses, calls, prints; the rule is `pods.advice`.

Imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg, positive_int
from airflow.utils.cli import suppress_logs_and_warning

if TYPE_CHECKING:
    import argparse

    from rich.table import Table

    from tradewind.pods.advice import Advice, Sizes, Spread

_STYLES = {"raise": "bold red", "lower": "yellow", "set": "yellow", "keep": "green", "wait": "dim"}


@suppress_logs_and_warning
def advise(args: argparse.Namespace) -> None:
    """Print what tasks used and what to request for them; exit code 2 when nothing is known."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415

    from tradewind import task_history  # noqa: PLC0415
    from tradewind.pods import advice as rule  # noqa: PLC0415

    since = datetime.now(UTC) - timedelta(days=args.days)
    launches = task_history.measured_launches(args.dag_id, since=since)
    if not launches and not args.json:
        of = f"of DAG {args.dag_id!r} " if args.dag_id else ""
        sys.stderr.write(
            f"error: no launch {of}was measured in the last {args.days} days: tasks are measured "
            "when they run with `python -m tradewind.worker`, the default of Tradewind's image\n"
        )
        sys.exit(2)
    found = [rule.advise(dag, task, runs) for (dag, task), runs in sorted(launches.items())]
    if args.json:
        sys.stdout.write(json.dumps([advice.as_dict() for advice in found], indent=2) + "\n")
        return
    Console().print(table(found))


def table(found: Sequence[Advice]) -> Table:
    """Return the advice as a table for a terminal."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = (
        "task",
        "runs",
        "peak memory\np50 / p95 / max",
        "CPU s\np50 / p95",
        "request, limit\nnow",
        "request, limit\nproposed",
        "advice",
    )
    made = Table(*columns, show_lines=True)
    for one in found:
        killed = f"\n{one.kills} killed" if one.kills else ""
        made.add_row(
            f"{one.dag_id}\n{one.task_id}",
            f"{one.runs}{killed}",
            _memory(one.memory),
            "-" if one.cpu_s is None else f"{one.cpu_s.p50:.1f} / {one.cpu_s.p95:.1f}",
            _sizes(one.present),
            _sizes(one.proposed),
            Text(one.verdict.value, style=_STYLES[one.verdict.value]),
        )
    return made


def _memory(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    figures = (spread.p50, spread.p95, spread.highest)
    return " / ".join(f"{count / 2**20:.0f}" for count in figures) + " Mi"


def _sizes(sizes: Sizes) -> str:
    said = sizes.resources()
    requests, limits = said.get("requests", {}), said.get("limits", {})
    memory = f"{requests.get('memory', '-')}, {limits.get('memory', '-')}"
    return f"{memory}\nCPU {requests['cpu']}" if "cpu" in requests else memory


ADVISE = ActionCommand(
    name="advise",
    help="Propose requests and limits for tasks, from what their pods used",
    description="Reads the measurements that launches left in the audit log. Changes nothing.",
    func=advise,
    args=(
        Arg(("dag_id",), nargs="?", help="The DAG; all of them when left out"),
        Arg(
            ("--days",),
            type=positive_int(allow_zero=False),
            default=14,
            help="How many days to look back",
        ),
        Arg(("--json",), action="store_true", help="Print JSON instead of a table"),
        ARG_VERBOSE,
    ),
)
