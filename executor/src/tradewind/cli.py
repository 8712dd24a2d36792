"""Airflow seam: `airflow tradewind …`. Parses, calls, prints; no logic.

`get_commands` is imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ActionCommand, GroupCommand

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
        GroupCommand(name="tradewind", help="Tools for the Tradewind executor", subcommands=[check])
    ]


def check_settings(_: argparse.Namespace) -> None:
    """Print every setting, or one sentence on what is wrong and exit code 2."""
    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tradewind import config  # noqa: PLC0415
    from tradewind.errors import ConfigError  # noqa: PLC0415
    from tradewind.pods.template import TemplateFile  # noqa: PLC0415

    try:
        settings = config.load(ExecutorConf())
        TemplateFile(settings.pod_template_file).load()
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    table = Table("setting", "value")
    for name in settings.__slots__:
        table.add_row(name, str(getattr(settings, name)))
    Console().print(table)
