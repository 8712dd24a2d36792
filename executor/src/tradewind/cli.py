"""Airflow seam: `airflow tradewind …`. Parses, calls, prints; no logic.

`get_commands` is imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import (
    ARG_DAG_ID,
    ARG_TASK_ID,
    ARG_VERBOSE,
    ActionCommand,
    Arg,
    GroupCommand,
    positive_int,
)
from airflow.utils.cli import suppress_logs_and_warning

from tradewind.advise_command import ADVISE
from tradewind.cleanup_command import CLEANUP_PODS
from tradewind.command_args import SECTION, TEAM
from tradewind.errors import one_sentence
from tradewind.pool_commands import POOL

if TYPE_CHECKING:
    import argparse


def get_commands() -> list[GroupCommand]:
    """Return the command group that the provider adds to Airflow's command line."""
    check = ActionCommand(
        name="check",
        help="Check the settings and the pod template, and show what is in force",
        func=check_settings,
        args=(SECTION,),
    )
    return [
        GroupCommand(
            name="tradewind",
            help="Tools for the Tradewind executor",
            subcommands=[
                check,
                _RENDER,
                _WHY,
                _DOCTOR,
                CLEANUP_PODS,
                ADVISE,
                POOL,
                _MIGRATE_VALUES,
            ],
        )
    ]


def why(args: argparse.Namespace) -> None:
    """Print why the pod of a task waits or failed; exit code 2 when there is no such task."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    from tradewind import config  # noqa: PLC0415
    from tradewind import why as module  # noqa: PLC0415

    with one_sentence():
        story = module.tell(
            args.dag_id,
            args.task_id,
            run_id=args.run_id,
            map_index=args.map_index,
            try_number=args.try_number,
            settings=config.load(ExecutorConf(args.team), section=args.section),
        )
    if args.json:
        sys.stdout.write(json.dumps(story.as_dict(), indent=2) + "\n")
        return
    console = Console()
    for part in module.tables(story):
        console.print(part)


def render(args: argparse.Namespace) -> None:
    """Print the pod of a task as YAML, or one sentence on what is wrong and exit code 2."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415

    from tradewind import config, rendering  # noqa: PLC0415

    with one_sentence():
        text = rendering.as_yaml(
            args.dag_id,
            args.task_id,
            run_id=args.run_id,
            map_index=args.map_index,
            settings=config.load(ExecutorConf(), section=args.section),
        )
    sys.stdout.write(text)


def check_settings(args: argparse.Namespace) -> None:
    """Print every setting, or one sentence on what is wrong and exit code 2."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tradewind import config, rendering  # noqa: PLC0415

    conf = ExecutorConf()
    with one_sentence():
        settings = config.load(conf, section=args.section)
        rendering.check(settings)
    table = Table("setting", "value")
    for name in settings.__slots__:
        table.add_row(name, str(getattr(settings, name)))
    Console().print(table)
    for sentence in config.unread(conf):
        sys.stdout.write(f"{sentence}\n")


@suppress_logs_and_warning
def examine_deployment(args: argparse.Namespace) -> None:
    """Print what the doctor finds; exit code 1 when something keeps tasks from running."""
    import asyncio  # noqa: PLC0415

    from airflow.configuration import conf  # noqa: PLC0415
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    from tradewind import _compat, config, rendering  # noqa: PLC0415
    from tradewind.client import connect, endpoint  # noqa: PLC0415
    from tradewind.doctor import checks, survey  # noqa: PLC0415
    from tradewind.doctor import findings as said  # noqa: PLC0415

    facts = checks.AirflowFacts(
        version=_compat.AIRFLOW_VERSION,
        executor=conf.get("core", "executor"),
        task_queued_timeout_s=conf.getfloat("scheduler", "task_queued_timeout"),
        unread=tuple(config.unread(ExecutorConf())),
    )
    findings = asyncio.run(
        survey.examine(
            load=lambda: config.load(ExecutorConf(), section=args.section),
            renderer=lambda settings: rendering.renderer(settings, scheduler="doctor"),
            connect=connect.inspect,
            ask=lambda settings: endpoint.ask(
                settings.boarding_url, ca_file=settings.boarding_ca_file
            ),
            airflow=facts,
        )
    )
    if args.json:
        sys.stdout.write(json.dumps([finding.as_dict() for finding in findings], indent=2) + "\n")
    else:
        Console().print(said.table(findings))
    if said.worst(findings) is said.State.FAIL:
        sys.exit(1)


_DOCTOR = ActionCommand(
    name="doctor",
    help="Find out whether this deployment can run tasks, and what to mend if not",
    description="Checks settings, pod template, API server, clock, permissions, quotas and "
    "timeouts, and lets the API server judge a task pod without creating it. Exits with 1 when "
    "something keeps tasks from running.",
    func=examine_deployment,
    args=(
        Arg(("--json",), help="Print the findings as JSON", action="store_true"),
        SECTION,
        ARG_VERBOSE,
    ),
)
_RENDER = ActionCommand(
    name="render",
    help="Show the exact pod of a task as YAML",
    func=render,
    args=(
        ARG_DAG_ID,
        ARG_TASK_ID,
        Arg(("--run-id",), help="The run; without it the pod the task would have in a new run"),
        Arg(("--map-index",), type=int, default=-1, help="Map index of a mapped task"),
        SECTION,
    ),
)
_WHY = ActionCommand(
    name="why",
    help="Show why the pod of a task waits or failed",
    func=why,
    args=(
        ARG_DAG_ID,
        ARG_TASK_ID,
        Arg(("run_id",), nargs="?", help="The run; the latest one when left out"),
        Arg(("--map-index",), type=int, default=-1, help="Map index of a mapped task"),
        Arg(
            ("--try",),
            dest="try_number",
            type=positive_int(allow_zero=False),
            help="Number of the try; the present one when left out",
        ),
        Arg(("--json",), action="store_true", help="Print JSON instead of tables"),
        TEAM,
        SECTION,
    ),
)


def migrate_values(args: argparse.Namespace) -> None:
    """Print values of our chart for those of the official one, and what has no equivalent."""
    from tradewind import official_values  # noqa: PLC0415

    with one_sentence():
        values, remarks = official_values.translated(args.file)
    sys.stdout.write(values)
    sys.stderr.write(remarks)


_MIGRATE_VALUES = ActionCommand(
    name="migrate-values",
    help="Turn values of Airflow's official Helm chart into values of ours",
    func=migrate_values,
    args=(Arg(("file",), help="YAML file of values; what has no equivalent goes to stderr"),),
)
