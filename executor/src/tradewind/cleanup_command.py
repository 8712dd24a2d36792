"""Airflow seam: `airflow tradewind cleanup-pods`. Parses, calls, prints; the rule is `cleanup`.

Imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, Arg, positive_int

from tradewind.command_args import SECTION, TEAM
from tradewind.errors import one_sentence

if TYPE_CHECKING:
    import argparse


def cleanup_pods(args: argparse.Namespace) -> None:
    """Delete ended and long pending pods; exit code 2 when the cluster cannot be asked."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415

    from tradewind import cleanup, config, task_pods  # noqa: PLC0415

    ages = cleanup.Ages(
        pending_minutes=args.min_pending_minutes, completed_minutes=args.min_completed_minutes
    )
    with one_sentence():
        settings = config.load(ExecutorConf(args.team), section=args.section)
        namespaces = [args.namespace] if args.namespace else settings.watched_namespaces or ("",)
        deleted = task_pods.visit(
            settings,
            lambda cluster: cleanup.sweep(
                cluster, namespaces, ages, now=datetime.now(UTC), tell=print
            ),
        )
    sys.stdout.write(f"deleted {deleted} pods\n")


CLEANUP_PODS = ActionCommand(
    name="cleanup-pods",
    help="Delete ended and long pending pods of tasks, callbacks and KubernetesPodOperators",
    func=cleanup_pods,
    args=(
        Arg(("--namespace",), help="Only this namespace; all watched ones when left out"),
        Arg(
            ("--min-pending-minutes",),
            type=positive_int(allow_zero=False),
            default=30,
            help="Age from which a pending pod goes; at least 5",
        ),
        Arg(
            ("--min-completed-minutes",),
            type=positive_int(allow_zero=True),
            default=1,
            help="Minutes an ended pod is left; 0 deletes at once",
        ),
        TEAM,
        SECTION,
    ),
)
