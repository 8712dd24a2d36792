"""Play fault scripts against the real executor in a real scheduler, and check what came of it.

Prints the seed first; `--seed` plays the same again. The history of each script is kept as JSON
lines, a failure says where. Ends with 1 when an invariant is violated.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from pathlib import Path

from catalogue import STORIES, choose
from checker import INVARIANTS, check
from history import History, write
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from servers import Postgres
from stage import Stage

SHOWN = 5
"""Violations of one script that are printed; its history has all."""


async def play_all(scripts, *, folder, progress):
    """Play the scripts one after the other; return a result for each."""
    results = []
    whole = progress.add_task("scripts", total=len(scripts))
    stage = Stage(folder)
    async with stage.open():
        for number, script in enumerate(scripts):
            bar = progress.add_task(script.name, total=script.tasks)
            began_s = time.monotonic()
            records = await stage.play(
                script, on_progress=lambda ended, bar=bar: progress.update(bar, completed=ended)
            )
            path = folder / f"history-{number}-{script.name}.jsonl"
            write(path, records)
            result = judged(History(records), path, took_s=time.monotonic() - began_s)
            results.append(result)
            progress.remove_task(bar)
            progress.advance(whole)
            if result["violations"]:
                tell(progress.console, result)
    return results


def judged(history, path, *, took_s):
    """Return what the table and the JSON have of a script."""
    violations = check(history)
    hits = [record for record in history.of("proxy") if "fault" in record]
    return {
        "script": history.script["name"],
        "seed": history.script["seed"],
        "tasks": history.script["tasks"],
        "launches": len({row["launch_id"] for row in history.of("database", "row")} - {None, ""}),
        "faults": len(hits) + len(history.script["disturbances"]),
        "calls": len(history.of("audit", "call")),
        "seconds": round(took_s, 1),
        "violations": [[violation.invariant, violation.text] for violation in violations],
        "history": str(path),
    }


def tell(console, result):
    for invariant, text in result["violations"][:SHOWN]:
        console.print(f"[red]{result['script']} {invariant}[/red] {text}", highlight=False)
    more = len(result["violations"]) - SHOWN
    if more > 0:
        console.print(f"  and {more} more, see {result['history']}", highlight=False)


def table_of(results):
    table = Table("script", "tasks", "launches", "faults", "API calls", "s", "violated")
    for result in results:
        violated = sorted({name for name, _ in result["violations"]}, key=list(INVARIANTS).index)
        columns = ("script", "tasks", "launches", "faults", "calls", "seconds")
        table.add_row(*(str(result[name]) for name in columns), ", ".join(violated) or "none")
    return table


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="default: a fresh one")
    parser.add_argument("--scripts", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=200, help="of each script")
    parser.add_argument("--story", action="append", choices=STORIES, default=[], help="only these")
    parser.add_argument("--folder", type=Path, help="for logs and histories; default: a new one")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    chosen = options()
    console = Console(stderr=True)
    if Postgres.found() is None:
        sys.exit("the fault suite needs PostgreSQL: install it so that `postgres` is on the PATH")
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="tradewind-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    count = chosen.scripts if not chosen.story else max(chosen.scripts, len(chosen.story))
    scripts = choose(seed=chosen.seed, count=count, tasks=chosen.tasks, stories=chosen.story)
    console.print(f"seed {chosen.seed}; logs and histories in {folder}", highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        results = asyncio.run(play_all(scripts, folder=folder, progress=progress))
    failed = [result for result in results if result["violations"]]
    document = {"seed": chosen.seed, "scripts": results, "failed": len(failed)}
    (folder / "result.json").write_text(json.dumps(document, indent=2))
    if chosen.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        Console().print(table_of(results))
    if failed:
        again = f"./task test:faults SEED={chosen.seed}"
        console.print(f"{len(failed)} of {len(results)} scripts failed; again: {again}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
