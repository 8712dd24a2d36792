"""Airflow seam: `airflow tradewind …`. Parses, calls, prints; no logic.

`get_commands` is imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ARG_DAG_ID, ARG_TASK_ID, ActionCommand, Arg, GroupCommand

if TYPE_CHECKING:
    import argparse


def get_commands() -> list[GroupCommand]:
    """Return the command group that the provider adds to Airflow's command line."""
    check = ActionCommand(
        name="check",
        help="Check the settings and the pod template, and show what is in force",
        func=check_settings,
        args=(),
    )
    return [
        GroupCommand(
            name="tradewind",
            help="Tools for the Tradewind executor",
            subcommands=[check, _RENDER],
        )
    ]


def render(args: argparse.Namespace) -> None:
    """Print the pod of a task as YAML, or one sentence on what is wrong and exit code 2."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415

    from tradewind import config, rendering  # noqa: PLC0415
    from tradewind.errors import ConfigError  # noqa: PLC0415

    try:
        text = rendering.as_yaml(
            args.dag_id,
            args.task_id,
            run_id=args.run_id,
            map_index=args.map_index,
            settings=config.load(ExecutorConf()),
        )
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    sys.stdout.write(text)


def check_settings(_: argparse.Namespace) -> None:
    """Print every setting, or one sentence on what is wrong and exit code 2."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tradewind import config, rendering  # noqa: PLC0415
    from tradewind.errors import ConfigError  # noqa: PLC0415

    try:
        settings = config.load(ExecutorConf())
        rendering.renderer(settings, scheduler="").check()
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    table = Table("setting", "value")
    for name in settings.__slots__:
        table.add_row(name, str(getattr(settings, name)))
    Console().print(table)


_RENDER = ActionCommand(
    name="render",
    help="Show the exact pod of a task as YAML",
    func=render,
    args=(
        ARG_DAG_ID,
        ARG_TASK_ID,
        Arg(("--run-id",), help="The run; without it the pod the task would have in a new run"),
        Arg(("--map-index",), type=int, default=-1, help="Map index of a mapped task"),
    ),
)
