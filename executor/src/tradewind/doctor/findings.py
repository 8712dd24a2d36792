"""What the doctor says: findings, each with its state and, unless all is well, a remedy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


class State(Enum):
    """How bad a finding is, in growing order."""

    OK = "ok"
    WARN = "warn"
    """Tasks run, but something is lost: a feature, an explanation, a safeguard."""
    FAIL = "fail"
    """Some or all tasks cannot run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judged fact."""

    check: str
    state: State
    found: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it as `--json` prints it; the keys are part of docs/doctor.md."""
        return {
            "check": self.check,
            "state": self.state.value,
            "found": self.found,
            "remedy": self.remedy,
        }


def ok(check: str, found: str) -> Finding:
    """Return a finding that needs no remedy."""
    return Finding(check=check, state=State.OK, found=found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """Return a finding of something lost."""
    return Finding(check=check, state=State.WARN, found=found, remedy=remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Return a finding that keeps tasks from running."""
    return Finding(check=check, state=State.FAIL, found=found, remedy=remedy)


def worst(findings: Iterable[Finding]) -> State:
    """Return the worst state among them."""
    order = list(State)
    return max((finding.state for finding in findings), key=order.index, default=State.OK)


def table(findings: Iterable[Finding]) -> Table:
    """Return the findings as a table for a terminal."""
    from rich.table import Table  # noqa: PLC0415 - every `airflow` command would pay for it
    from rich.text import Text  # noqa: PLC0415

    styles = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
    shown = Table("state", "check", "found", "remedy", show_lines=True)
    for finding in findings:
        state = Text(finding.state.value, style=styles[finding.state])
        # Text, not markup: sentences quote option names in brackets.
        shown.add_row(state, finding.check, Text(finding.found), Text(finding.remedy))
    return shown
