"""Airflow seam: `airflow tradewind pool …`. Parses, calls, prints; no logic.

Imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, positive_int

from tradewind.command_args import SECTION, TEAM
from tradewind.errors import one_sentence

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def pool_status(args: argparse.Namespace) -> None:
    """Print how the pools stand; exit code 2 when the cluster cannot be asked."""
    import time  # noqa: PLC0415

    from tradewind import contract, task_history, task_pods, warm_pools  # noqa: PLC0415

    with one_sentence():
        settings, team = _settings(args)
        members = task_pods.visit(
            settings, lambda cluster: warm_pools.idle_members(cluster, settings, team=team)
        )
        window_s = args.minutes * 60.0
        texts = task_history.texts_since(contract.EVENT_MEASURED, window_s=window_s)
        found = warm_pools.status(
            warm_pools.wanted(settings, team=team),
            members,
            filter(None, map(contract.Measured.decode, texts)),
            now_s=time.time(),
            window_s=window_s,
        )
    if args.json:
        _print_json(found.as_dict())
    else:
        _print(warm_pools.status_tables(found))


def pool_drain(args: argparse.Namespace) -> None:
    """Let idle pods go; exit code 2 when the cluster cannot be asked."""
    from tradewind import task_pods, warm_pools  # noqa: PLC0415
    from tradewind.client.protocol import Cluster  # noqa: PLC0415

    with one_sentence():
        settings, team = _settings(args)

        async def drain(cluster: Cluster) -> int:
            found = await warm_pools.idle_members(cluster, settings, team=team)
            chosen = [one for one in found if args.pool is None or args.pool == one.pool]
            return await warm_pools.drain(cluster, chosen, tell=print)

        drained = task_pods.visit(settings, drain)
    sys.stdout.write(f"drained {drained} pods\n")


def pool_simulate(args: argparse.Namespace) -> None:
    """Print what pools of several sizes would have done for the launches there were."""
    from tradewind import task_history, warm_pools  # noqa: PLC0415
    from tradewind.dispatch.pool.simulation import random_arrivals  # noqa: PLC0415

    lasts_s = args.hours * 3600.0
    with one_sentence():
        settings, team = _settings(args)
        if args.rate is None:
            arrivals = task_history.queued_since(window_s=lasts_s, queue=args.queue)
        else:
            arrivals = random_arrivals(args.rate / 60, lasts_s=lasts_s)
        found = warm_pools.trials(
            warm_pools.wanted(settings, team=team),
            arrivals,
            start_s=args.start_seconds,
            starting_most=settings.warm_starting_max,
            most=args.max,
            lasts_s=lasts_s,
        )
    if args.json:
        _print_json([trial.as_dict() for trial in found])
    else:
        _print([warm_pools.trial_table(found)])


def _settings(args: argparse.Namespace) -> tuple[Any, str]:
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415

    from tradewind import config  # noqa: PLC0415

    return config.load(ExecutorConf(args.team), section=args.section), args.team or ""


def _print_json(document: object) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _print(parts: Iterable[Any]) -> None:
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    for part in parts:
        console.print(part)


_JSON = Arg(("--json",), action="store_true", help="Print JSON instead of tables")
_STATUS = ActionCommand(
    name="status",
    help="Show idle pods, how many launches they served, and what they cost",
    func=pool_status,
    args=(
        Arg(
            ("--minutes",),
            type=positive_int(allow_zero=False),
            default=60,
            help="How far back launches are looked at",
        ),
        _JSON,
        TEAM,
        SECTION,
    ),
)
_DRAIN = ActionCommand(
    name="drain",
    help="Let idle pods go; a scheduler that runs replaces them unless the pool's size is 0",
    func=pool_drain,
    args=(
        Arg(("pool",), nargs="?", help="Only this pool; all of them when left out"),
        TEAM,
        SECTION,
    ),
)
_SIMULATE = ActionCommand(
    name="simulate",
    help="Show what pools of several sizes would have done for the launches of the last hours",
    description="Replays when tasks were queued, or random launches at a given rate, against the "
    "rules that pools follow: how many launches find an idle pod, and what those pods cost.",
    func=pool_simulate,
    args=(
        Arg(("--hours",), type=float, default=24.0, help="How far back, or how long"),
        Arg(("--rate",), type=float, help="Random launches, so many a minute, in place of history"),
        Arg(("--queue",), help="Only tasks of this queue"),
        Arg(("--start-seconds",), type=float, default=5.0, help="How long a pod takes to run"),
        Arg(
            ("--max",),
            type=positive_int(allow_zero=False),
            default=20,
            help="Most idle pods that are tried",
        ),
        _JSON,
        TEAM,
        SECTION,
    ),
)
POOL = GroupCommand(
    name="pool", help="Look after warm pools", subcommands=[_STATUS, _DRAIN, _SIMULATE]
)
