"""What happened when, printed while it happens and once more as a table at the end."""

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

WIDTH = 140


@dataclass
class Timeline:
    """Events since the beginning, in seconds."""

    console: Console = field(default_factory=lambda: Console(width=WIDTH, highlight=False))
    began: float = field(default_factory=time.monotonic)
    rows: list = field(default_factory=list)

    def add(self, environment, what, figure=""):
        at = time.monotonic() - self.began
        self.rows.append((at, environment, what, figure))
        self.console.print(f"[dim]{at:7.1f} s[/dim]  [cyan]{environment:8}[/cyan] {what}  {figure}")

    def table(self):
        shown = Table("seconds", "environment", "what", "took", title="From merge to cluster")
        shown.columns[0].justify = shown.columns[3].justify = "right"
        for at, *words in self.rows:
            shown.add_row(f"{at:.1f}", *words)
        return shown
