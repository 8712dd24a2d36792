"""Airflow seam: arguments that several commands take. Imported by every `airflow` command."""

from __future__ import annotations

from airflow.cli.cli_config import Arg

TEAM = Arg(("--team",), help="Team whose settings are used; the global ones when left out")
SECTION = Arg(
    ("--section",),
    default="tradewind",
    help="Section of an executor for a further cluster; [tradewind] when left out",
)
