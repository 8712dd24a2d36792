"""Tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from tradewind.promotion.findings import Finding, Level
from tradewind.promotion.proposal import Proposal
from tradewind.promotion.publish import Published
from tradewind.promotion.rendered import Difference
from tradewind.promotion.status import Row

PIPED_WIDTH = 200
"""Columns of tables where no terminal sets a width."""
STYLES = {
    Level.OK: "[green]✓[/green]",
    Level.NOTE: "[blue]i[/blue]",
    Level.OVERRIDDEN: "[yellow]![/yellow]",
    Level.REFUSED: "[red]✗[/red]",
}


def console() -> Console:
    """Return the console of standard output; a pipe gets no colours and wide tables."""
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(soft_wrap=True, highlight=False, width=width)


def checked(out: Console, title: str, *, findings: Iterable[Finding]) -> None:
    """Print what was judged."""
    out.print(f"[bold]{escape(title)}[/bold]")
    out.print(_table(findings))


def _table(found: Iterable[Finding]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in found:
        table.add_row(STYLES[finding.level], finding.rule, escape(finding.sentence))
    return table


def proposal(out: Console, shown: Proposal) -> None:
    """Print title, findings and difference."""
    reviewed(out, shown.title, findings=shown.findings, difference=shown.difference)


def reviewed(
    out: Console, title: str, *, findings: Iterable[Finding], difference: Difference
) -> None:
    """Print what was judged and what renders otherwise."""
    out.print(f"[bold]{escape(title)}[/bold]")
    out.print(_table(findings))
    out.print(f"  rendered: {difference.summary}")
    if difference.text:
        out.print(Syntax(difference.text, "diff", background_color="default"))


def rows(found: Sequence[Row]) -> Table:
    """Return the table of `status`."""
    table = Table("environment", "in git", "since", "applied", "healthy", "next", "")
    for row in found:
        since = f"{row.since:%Y-%m-%d %H:%M}Z" if row.since else "-"
        cells = (row.environment, row.version or "-", since, row.applied, row.healthy, row.next)
        table.add_row(*map(escape, cells), escape(row.says))
    return table


def as_json(value: Any) -> str:
    """Return dataclasses, moments and levels as JSON."""
    return json.dumps(value, indent=2, default=_plain)


def proposal_as_dict(shown: Proposal, published: Published | None) -> dict[str, Any]:
    """Return what `--json` prints of a proposal."""
    return {
        "source": shown.source,
        "target": shown.target,
        "version": shown.pin.chart_version,
        "from": shown.present.chart_version if shown.present else None,
        "file": shown.path,
        "base": shown.base,
        "branch": shown.branch,
        "title": shown.title,
        "findings": shown.findings,
        "rendered": shown.difference.summary,
        "difference": shown.difference.text,
        "published": published,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Level):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")
