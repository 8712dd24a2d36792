"""What people and programs are told of a script that was played. Pure."""

from checker import INVARIANTS
from rich.markup import escape
from rich.table import Table

SHOWN = 5
"""Violations of one script that are printed; its result has all."""
COLUMNS = ("script", "tasks", "launches", "faults", "calls", "seconds")
HEADS = ("script", "tasks", "launches", "faults", "API calls", "s", "violated")


def judged(history, violations, *, path, took_s):
    """Return a script's result, for the table and the JSON document."""
    script = history.script
    hits = [record for record in history.of("proxy") if "fault" in record]
    launches = {row["launch_id"] for row in history.of("database", "row")} - {None, ""}
    return {
        "script": script["name"],
        "seed": script["seed"].rpartition("/")[0],
        "tasks": script["tasks"],
        "launches": len(launches),
        "faults": len(hits) + len(script["disturbances"]),
        "calls": len(history.of("audit", "call")),
        "seconds": round(took_s, 1),
        "violations": [[violation.invariant, violation.text] for violation in violations],
        "history": str(path),
    }


def again(result):
    """Return the command that plays the script again."""
    words = f"--story {result['script']} --scripts 1 --tasks {result['tasks']}"
    return f"./task test:faults SEED={result['seed']} {words}"


def sentences(result):
    """Return what is printed once a script was played, line by line."""
    violations = result["violations"]
    counts = f"{result['tasks']} tasks, {result['faults']} faults, {result['seconds']} s"
    lines = [f"{result['script']}: {'failed' if violations else 'ok'}, {counts}"]
    lines += [f"{result['script']} {name}: {text}" for name, text in violations[:SHOWN]]
    if len(violations) > SHOWN:
        lines.append(f"{result['script']}: {len(violations) - SHOWN} violations more")
    if violations:
        lines += [f"  history: {result['history']}", f"  again: {again(result)}"]
    return lines


def tell(console, result):
    """Print those sentences."""
    for line in sentences(result):
        console.print(escape(line), highlight=False, soft_wrap=True)


def closing_line(results, *, took_s):
    """Return the last line, worded as that of the other tiers."""
    failed = sum(bool(result["violations"]) for result in results)
    counts = [f"{len(results) - failed} passed"] + [f"{failed} failed"] * bool(failed)
    return f"{', '.join(counts)} in {took_s:.1f}s"


def table_of(results):
    """Return a table with a row for each script."""
    table = Table(*HEADS)
    for result in results:
        cells = [str(result[name]) for name in COLUMNS]
        table.add_row(*cells, _violated([result]) or "none")
    return table


def markdown(results, *, by="script"):
    """Return a table of a report: a row for each story or `seed`, and all of it together."""
    head = {"script": "story"}.get(by, by)
    lines = [f"| {head} | scripts | tasks | launches | faults | API calls | violated |"]
    lines.append("|---|---|---|---|---|---|---|")
    rows = {}
    for result in results:
        rows.setdefault(result[by].partition(".")[0], []).append(result)
    for name, these in [*sorted(rows.items()), ("**together**", results)]:
        sums = [sum(result[column] for result in these) for column in COLUMNS[1:5]]
        violated = _violated(these) or "none"
        lines.append(f"| {' | '.join(map(str, (name, len(these), *sums, violated)))} |")
    return "\n".join(lines) + "\n"


def _violated(results):
    names = {name for result in results for name, _ in result["violations"]}
    return ", ".join(sorted(names, key=list(INVARIANTS).index))
