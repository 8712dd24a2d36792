"""Run test tiers in order, stop at the first that fails, and sum up.

Each tier is a verb of Taskfile.yml. Its output passes through unchanged; the counts in the table
are those of pytest's own last line, so a tier without tests counts none.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from tradewind_tools import console, paths

COUNTED = ("passed", "failed", "errors", "skipped")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
SUMMARY = re.compile(r"=* ?((?:\d+ [a-z]+, )*\d+ [a-z]+) in [\d.]+s.*")
"""pytest's last line, such as `== 3 passed, 1 skipped in 0.12s ==`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one tier."""

    tier: str
    exit_code: int
    elapsed_s: float
    counts: dict[str, int] = field(default_factory=dict)


def parse_counts(line: str) -> dict[str, int] | None:
    """Return the counts of pytest's summary line, or None when the line is another."""
    match = SUMMARY.fullmatch(ANSI.sub("", line).strip())
    if match is None:
        return None
    counts: dict[str, int] = {}
    for part in match[1].split(", "):
        number, word = part.split()
        name = "errors" if word == "error" else word
        if name in COUNTED:
            counts[name] = int(number)
    return counts


def run_verb(tier: str) -> Result:
    """Run one verb, showing its output as it comes."""
    environment = dict(os.environ)
    if sys.stdout.isatty():
        # The pipe would make pytest and others drop colours that the terminal can show.
        environment |= {"PY_COLORS": "1", "FORCE_COLOR": "1"}
    started_s = time.monotonic()
    counts: dict[str, int] = {}
    with subprocess.Popen(
        ["task", "--taskfile", str(paths.CHECKOUT / "Taskfile.yml"), tier],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                for name, number in (parse_counts(line) or {}).items():
                    counts[name] = counts.get(name, 0) + number
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            raise
    elapsed_s = time.monotonic() - started_s
    return Result(tier=tier, exit_code=process.returncode, elapsed_s=elapsed_s, counts=counts)


def run(tiers: Sequence[str], *, runner: Callable[[str], Result] = run_verb) -> int:
    """Run the tiers; print the table and the closing line; return the exit code."""
    results: list[Result] = []
    for tier in tiers:
        console.out.rule(tier)
        results.append(runner(tier))
        if results[-1].exit_code:
            break
    console.out.print(table(results, tiers=tiers))
    print(closing_line(results), flush=True)
    return 1 if results[-1].exit_code else 0


def table(results: Sequence[Result], *, tiers: Sequence[str]) -> Table:
    """Return one row a tier, also for those that were not reached."""
    shown = Table("tier", "result")
    for heading in (*COUNTED, "seconds"):
        shown.add_column(heading, justify="right")
    for result in results:
        word = "[red]failed[/red]" if result.exit_code else "[green]ok[/green]"
        numbers = [str(result.counts.get(name, "")) for name in COUNTED]
        shown.add_row(result.tier, word, *numbers, f"{result.elapsed_s:.1f}")
    for tier in tiers[len(results) :]:
        shown.add_row(tier, "[dim]not run[/dim]", *[""] * len(COUNTED), "")
    return shown


def closing_line(results: Sequence[Result]) -> str:
    """Return `N passed, N failed[, N skipped]` over all tiers.

    A tier that fails without a failing test of its own (lint, a cluster that does not come up)
    counts as one failure: the line must never look better than the exit code.
    """
    total = {name: sum(item.counts.get(name, 0) for item in results) for name in COUNTED}
    failed = total["failed"] + total["errors"]
    failed += sum(
        1
        for item in results
        if item.exit_code and not item.counts.get("failed") and not item.counts.get("errors")
    )
    line = f"{total['passed']} passed, {failed} failed"
    return f"{line}, {total['skipped']} skipped" if total["skipped"] else line
