"""`cluster status`: what the pid files say, checked against what runs."""

from rich.table import Table

from tradewind_tools import console, processes
from tradewind_tools.cluster import api, components
from tradewind_tools.cluster.layout import NODE_NAME, PORTS, Layout


def show(layout: Layout) -> int:
    """Print a table; return 1 unless every program runs and the node is ready."""
    shown = Table("program", "state", "pid", "listens on", "log")
    all_run = True
    for name in components.NAMES:
        running = processes.recorded(layout.state / "run" / f"{name}.pid")
        all_run &= running is not None
        state = "[green]runs[/green]" if running else "[red]stopped[/red]"
        addresses = ", ".join(f"{address}:{port}" for address, port in PORTS.get(name, ()))
        log = layout.logs / f"{name}.log"
        pid = str(running.pid) if running else ""
        shown.add_row(name, state, pid, addresses, str(log) if log.exists() else "")
    ready = all_run and api.node_is_ready(layout)
    shown.add_row(f"node {NODE_NAME}", "[green]ready[/green]" if ready else "[red]no[/red]")
    console.out.print(shown)
    return 0 if ready else 1
