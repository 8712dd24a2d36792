"""Progress that people can watch and logs can keep.

On a terminal a running step is one live line; elsewhere it is a line when it starts, at most one
every 30 seconds, and one with its seconds when it ends. Everything goes to stderr, so that stdout
stays free for results.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.status import Status

PIPED_WIDTH = 180
"""Columns of tables where no terminal sets a width: names of pods must stay whole for grep."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPED_WIDTH)

REPEAT_INTERVAL_S = 30.0
"""Without a terminal, say at most this often what a step does."""


@dataclass
class Step:
    """A running step; `note` may be called from the thread that runs it only."""

    title: str
    status: Status | None
    started_s: float = field(default_factory=time.monotonic)
    printed_s: float = field(default_factory=time.monotonic)
    result: str = ""
    """Shown behind the title when the step ends."""

    @property
    def elapsed_s(self) -> float:
        """Seconds since the step began."""
        return time.monotonic() - self.started_s

    def note(self, text: str) -> None:
        """Show what the step does now, shortened to one line."""
        line = f"{self.title}: {escape(text)} ({self.elapsed_s:.0f} s)"
        if self.status is not None:
            self.status.update(line)
        elif time.monotonic() - self.printed_s >= REPEAT_INTERVAL_S:
            self.printed_s = time.monotonic()
            err.print(f"  … {line}")


@contextmanager
def step(title: str) -> Iterator[Step]:
    """Run a step: its title while it runs, its seconds and result when it ended well."""
    if err.is_terminal:
        with err.status(title) as status:
            running = Step(title, status)
            yield running
    else:
        err.print(f"  … {title}")
        running = Step(title, None)
        yield running
    suffix = f" [dim]{escape(running.result)}[/dim]" if running.result else ""
    err.print(f"[green]✓[/green] {title}{suffix} [dim]{running.elapsed_s:.1f} s[/dim]")


def warn(message: str) -> None:
    """Print a warning that does not stop the verb."""
    err.print(f"[yellow]![/yellow] {escape(message)}")
