"""The result of `side_by_side.py` as tables, goals and pictures. Pure but for `show`."""

import statistics
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as Printed
from subjects import OURS, SUBJECTS, UPSTREAM

API_SERVER = "API server"
CALLS = ("create", "delete", "patch", "get")


@dataclass(frozen=True)
class Table:
    """Cells as they are shown."""

    head: tuple[str, ...]
    rows: list[tuple[str, ...]]

    def markdown(self):
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def printed(self):
        table = Printed(*self.head)
        for row in self.rows:
            table.add_row(*(cell.replace("**", "") for cell in row))
        return table


def show(result):
    """Print what there is of a result, which may be a part."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=170)
    for table in tables(result):
        console.print(table.printed())


def tables(result):
    """Return a table for each part that was measured, the goals first."""
    made = [goals_table(result)]
    for part, make in (
        ("shapes", shapes_table),
        ("submit", submit_table),
        ("adoption", adoption_table),
        ("watch", watch_table),
    ):
        if result.get(part):
            made.append(make(result))
    return made


def median(rows, figure, **wanted):
    """Return the median of a figure over the rows that say what is wanted; None without any."""
    values = [row[figure] for row in rows if all(row[key] == wanted[key] for key in wanted)]
    return statistics.median(values) if values else None


def ordered(rows, name):
    """Return the values of a column, each once, as they came."""
    return list(dict.fromkeys(row[name] for row in rows))


def shapes_table(result):
    rows = result["shapes"]
    head = (
        "tasks",
        "executor",
        "tasks/s",
        "times upstream's",
        "blocked, ms per task",
        "longest `sync`, ms",
        "processor time, ms per task",
        "memory, MB",
        "more processes",
        "POST + DELETE + PATCH + GET per task",
    )
    return Table(head, [_shape(rows, s, n) for s in ordered(rows, "shape") for n in _names(rows)])


def _shape(rows, shape, name):
    def of(figure, who=name):
        return median(rows, figure, shape=shape, executor=who)

    each = [row["tasks_per_s"] for row in rows if (row["shape"], row["executor"]) == (shape, name)]
    theirs = of("tasks_per_s", UPSTREAM)
    calls = [row["calls_per_task"] for row in rows if row["executor"] == name]
    return (
        shape,
        name,
        f"**{of('tasks_per_s'):.1f}** ({min(each):.1f} to {max(each):.1f})",
        f"**{of('tasks_per_s') / theirs:.1f}**" if theirs and name == OURS else "",
        f"{of('blocked_ms_per_task'):.2f}",
        f"{of('longest_sync_ms'):.0f}",
        f"{of('cpu_ms_per_task'):.1f}",
        f"{of('mb'):.0f}",
        f"{of('processes'):.0f}",
        " + ".join(f"{statistics.median(each[verb] for each in calls):.3g}" for verb in CALLS),
    )


def submit_table(result):
    """The last column says how near ours comes to a client that does nothing but create."""
    rows = result["submit"]
    names = [*_names(rows), API_SERVER]
    head = ("API latency", *(f"{name}, pods/s" for name in names), "share of what it takes")
    return Table(head, [_latency(rows, ms, names) for ms in ordered(rows, "latency_ms")])


def _latency(rows, latency_ms, names):
    rates = {name: median(rows, "per_s", latency_ms=latency_ms, executor=name) for name in names}
    share = _share(rates.get(OURS), rates.get(API_SERVER))
    cells = ["" if rate is None else f"{rate:.0f}" for rate in rates.values()]
    return (f"{latency_ms} ms", *cells, "" if share is None else f"{share:.0%}")


def adoption_table(result):
    rows = result["adoption"]
    head = ("pods of a dead scheduler", "executor", "s until all are followed", "memory, MB")
    measured = [
        (pods, name)
        for pods in ordered(rows, "pods")
        for name in _names([row for row in rows if row["pods"] == pods])
    ]
    return Table(head, [_adopted(rows, pods, name) for pods, name in measured])


def _adopted(rows, pods, name):
    seconds, weight = (
        median(rows, figure, pods=pods, executor=name) for figure in ("adopted_s", "mb")
    )
    return (f"{pods:,}", name, f"{seconds:.2f}", f"{weight:.0f}")


def watch_table(result):
    rows = result["watch"]
    head = ("client of a watch", "events", "events/s")
    return Table(
        head,
        [
            (
                name,
                f"{median(rows, 'events', executor=name):,.0f}",
                f"{median(rows, 'per_s', executor=name):,.0f}",
            )
            for name in _names(rows)
        ],
    )


def goals_table(result):
    """What was to be reached and what was, for the parts that were measured."""
    rows = [
        (words, goal, reached, "yes" if is_reached else "**no**")
        for words, goal, reached, is_reached in goals(result)
    ]
    return Table(("goal", "at", "reached", ""), rows)


def goals(result):
    """Yield each goal: in words, its bound, the figure reached, whether that is enough."""
    yield from _goals_of_shapes(result.get("shapes", []))
    rows = result.get("submit", [])
    if rate := median(rows, "per_s", latency_ms=50, executor=OURS):
        most = median(rows, "per_s", latency_ms=50, executor=API_SERVER)
        reached = f"{rate:.0f}, {rate / most:.0%} of the {most:.0f} that the API server takes"
        yield "pods/s submitted at 50 ms API latency", "≥ 500", reached, rate >= 500
    if rate := median(result.get("watch", []), "per_s", executor=OURS):
        yield "events/s of a watch", "≥ 10,000", f"{rate:,.0f}", rate >= 10_000
    rows = [row for row in result.get("adoption", []) if row["pods"] == 10_000]
    if (took_s := median(rows, "adopted_s", executor=OURS)) is not None:
        yield "adoption of 10,000 pods", "≤ 3 s", f"{took_s:.2f} s", took_s <= 3
        weight = median(rows, "mb_per_10k", executor=OURS)
        yield "memory of 10,000 live tasks", "≤ 30 MB", f"{weight:.1f} MB", weight <= 30


def _goals_of_shapes(rows):
    for shape in ordered(rows, "shape"):
        ours, theirs = (
            median(rows, "tasks_per_s", shape=shape, executor=name) for name in (OURS, UPSTREAM)
        )
        ratio = ours / theirs
        words = f"tasks/s, {shape}"
        yield words, "≥ 5 times upstream's", f"{ratio:.1f} times", ratio >= 5
    if rows:
        own = [row for row in rows if row["executor"] == OURS]
        most = max(median(own, "blocked_ms_per_task", shape=s) for s in ordered(own, "shape"))
        yield "scheduler blocked per task", "≤ 0.2 ms", f"at most {most:.2f} ms", most <= 0.2
        longest = max(row["longest_sync_ms"] for row in own)
        yield "longest `sync`", "≤ 50 ms", f"{longest:.0f} ms", longest <= 50


def pictures(result):
    """Return by name what each picture shows, for `bars.picture`."""
    made = {}
    if rows := result.get("shapes"):
        made["bench-tasks"] = {
            "title": "Tasks per second, from queued to ended",
            "groups": _groups(rows, "tasks_per_s"),
        }
        made["bench-blocked"] = {
            "title": "Milliseconds that the scheduler is blocked, per task",
            "groups": _groups(rows, "blocked_ms_per_task"),
        }
    if rows := result.get("submit"):
        made["bench-submit"] = {
            "title": "Pods per second submitted, by API latency",
            "groups": [
                (f"{ms} ms", _bars(rows, "per_s", latency_ms=ms))
                for ms in ordered(rows, "latency_ms")
            ],
        }
    return made


def _groups(rows, figure):
    return [(shape, _bars(rows, figure, shape=shape)) for shape in ordered(rows, "shape")]


def _bars(rows, figure, **wanted):
    return [
        (name, value)
        for name in [*_names(rows), API_SERVER]
        if (value := median(rows, figure, executor=name, **wanted)) is not None
    ]


def _names(rows):
    """Return the executors among the rows, ours first."""
    found = {row["executor"] for row in rows}
    return [name for name in SUBJECTS if name in found]


def _share(part, whole):
    return None if part is None or not whole else part / whole
