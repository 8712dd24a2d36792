"""Airflow seam: `airflow tradewind …`. Parses, calls, prints; no logic.

`get_commands` is imported by every `airflow` command, so everything else is imported when used.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from airflow.cli.cli_config import ARG_VERBOSE, ActionCommand, Arg, GroupCommand
from airflow.utils.cli import suppress_logs_and_warning

if TYPE_CHECKING:
    import argparse

    from tradewind.config import Settings
    from tradewind.dispatch.renderer import Renderer
    from tradewind.doctor.findings import Finding


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
            subcommands=[check, _DOCTOR],
        )
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


@suppress_logs_and_warning
def examine_deployment(args: argparse.Namespace) -> None:
    """Print what the doctor finds; exit code 1 when something keeps tasks from running."""
    import asyncio  # noqa: PLC0415
    import json  # noqa: PLC0415

    from airflow.executors.base_executor import ExecutorConf  # noqa: PLC0415

    from tradewind import _compat, config  # noqa: PLC0415
    from tradewind.client import connect  # noqa: PLC0415
    from tradewind.doctor import findings as said  # noqa: PLC0415
    from tradewind.doctor.survey import examine  # noqa: PLC0415

    findings = asyncio.run(
        examine(
            load=lambda: config.load(ExecutorConf()),
            renderer=_renderer,
            connect=connect.inspect,
            airflow=_compat.airflow_facts(),
        )
    )
    if args.json:
        sys.stdout.write(json.dumps([finding.as_dict() for finding in findings], indent=2) + "\n")
    else:
        _print_findings(findings)
    if said.worst(findings) is said.State.FAIL:
        sys.exit(1)


def _print_findings(findings: list[Finding]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table("state", "check", "found", "remedy", show_lines=True)
    for finding in findings:
        state = Text(finding.state.value, style=styles[finding.state.value])
        # Text, not markup: sentences quote option names in brackets.
        table.add_row(state, finding.check, Text(finding.found), Text(finding.remedy))
    Console().print(table)


def _renderer(settings: Settings) -> Renderer:
    """Return a renderer that makes the executor's own pods, mutation hook included."""
    import functools  # noqa: PLC0415

    from tradewind import _compat, pod_models  # noqa: PLC0415
    from tradewind.dispatch.renderer import Renderer  # noqa: PLC0415

    hook = _compat.mutation_hook()
    return Renderer(
        template_path=settings.pod_template_file,
        namespace=settings.namespace,
        image=settings.image,
        airflow_version=_compat.AIRFLOW_VERSION,
        scheduler="doctor",
        mutate=hook and functools.partial(pod_models.through_hook, hook=hook),
    )


_DOCTOR = ActionCommand(
    name="doctor",
    help="Find out whether this deployment can run tasks, and what to mend if not",
    description="Checks settings, pod template, API server, clock, permissions, quotas and "
    "timeouts, and lets the API server judge a task pod without creating it. Exits with 1 when "
    "something keeps tasks from running.",
    func=examine_deployment,
    args=(
        Arg(("--json",), help="Print the findings as JSON", action="store_true"),
        ARG_VERBOSE,
    ),
)
