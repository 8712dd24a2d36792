"""The figures of `executor_costs.py` as tables and as a picture."""

import math

from rich.console import Console
from rich.table import Table

COLOURS = {"tradewind": "#0f766e"}
OTHERS = ("#b45309", "#7c3aed")
TITLE = "Scheduler thread blocked per task (ms, log scale)"
GOAL_MS = 0.2
ROW, LEFT, WIDTH, HEAD, FOOT = 26, 250, 420, 44, 40
LEAST, MOST = 0.01, 10_000


RUNS = (
    "API ms",
    "executor",
    "tasks",
    "tasks/s",
    "blocked ms/task",
    "(cpu)",
    "(no core)",
    "longest sync ms",
    "(no core)",
    "longest beat ms",
    "(no core)",
    "processes",
    "POST+DELETE+GET",
)
TIMES = (
    "blocked_ms_per_task",
    "cpu_ms_per_task",
    "no_core_ms_per_task",
    "longest_sync_ms",
    "longest_sync_no_core_ms",
    "longest_heartbeat_ms",
    "longest_heartbeat_no_core_ms",
)
VERBS = ("create", "delete", "get")


def show(figures):
    """Print the tables; `no core` is the part for which the machine had no core to give."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    table = Table(*RUNS)
    for row in figures["runs"]:
        times = (f"{row[name]:.2f}" for name in TIMES)
        calls = " + ".join(f"{row['calls_per_task'][verb]:.2f}" for verb in VERBS)
        first = (row["latency_ms"], row["executor"], row["tasks"], round(row["tasks_per_s"]))
        table.add_row(*map(str, first), *times, str(row["processes"]), calls)
    console.print(table)
    table = Table("executor", "live tasks", "MB per 10,000", "threads", "processes")
    for name, row in figures["held"].items():
        counts = (row["threads"], row["processes"])
        table.add_row(name, str(row["live"]), f"{row['mb_per_10k']:.1f}", *map(str, counts))
    console.print(table)
    table = Table("executor", "constructed", "threads", "files, sockets", "processes")
    for name, row in figures["constructed"].items():
        opened = (row["threads"], row["files_and_sockets"], row["processes"])
        table.add_row(name, str(row["constructed"]), *map(str, opened))
    console.print(table)


def plot(runs):
    """Return an SVG: milliseconds of the scheduler's thread per task, on a logarithmic scale."""
    height = HEAD + FOOT + ROW * len(runs)
    size = f'width="{LEFT + WIDTH + 90}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="12" y="24" font-size="15">{TITLE}</text>',
        *_grid(height),
    ]
    for number, row in enumerate(runs):
        parts += _bar(HEAD + ROW * number, row)
    return "\n".join([*parts, "</svg>\n"])


def _grid(height):
    for power in range(round(math.log10(LEAST)), round(math.log10(MOST)) + 1):
        yield _line(_x(10**power), height, "#e5e7eb")
        label = f"{10**power:g}"
        yield f'<text x="{_x(10**power)}" y="{height - 12}" text-anchor="middle">{label}</text>'
    yield _line(_x(GOAL_MS), height, "#dc2626")
    yield f'<text x="{_x(GOAL_MS)}" y="{HEAD - 4}" fill="#dc2626">goal {GOAL_MS}</text>'


def _line(x, height, colour):
    return f'<line x1="{x}" x2="{x}" y1="{HEAD}" y2="{height - FOOT + 8}" stroke="{colour}"/>'


def _bar(y, row):
    name, value = row["executor"], row["blocked_ms_per_task"]
    colour = COLOURS.get(name, OTHERS["async" in name])
    yield f'<text x="12" y="{y + 17}">{row["latency_ms"]} ms: {name}</text>'
    width, shown = max(1, _x(value) - LEFT), f"{value:.{2 if value < 10 else 0}f}"
    yield f'<rect x="{LEFT}" y="{y + 4}" width="{width}" height="{ROW - 8}" fill="{colour}"/>'
    yield f'<text x="{LEFT + width + 6}" y="{y + 17}">{shown}</text>'


def _x(value):
    """Return where a value lies, from `LEAST` on the left to `MOST` on the right."""
    share = math.log10(max(value, LEAST) / LEAST) / math.log10(MOST / LEAST)
    return round(LEFT + WIDTH * share)
