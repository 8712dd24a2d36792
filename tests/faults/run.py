"""Play fault scripts against the real executor in a real scheduler, and check what came of it.

Prints the seed first; `--seed` plays the same again, `--seeds` as many anew. The history of each
script is kept as JSON lines, a failure says where. Ends with 1 when an invariant is violated.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import secrets
import sys
import tempfile
import time
from pathlib import Path

from catalogue import STORIES, endless
from checker import check
from history import History, write
from performance import Performance
from report import closing_line, judged, markdown, table_of, tell
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from stage import Stage

from tradewind_tools import packages, tables

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


async def play_all(scripts, results, *, total, folder, progress):
    """Play the scripts one after the other; append a result for each."""
    whole = progress.add_task("scripts", total=total)
    stage = Stage(folder)
    async with stage.open():
        for number, script in enumerate(scripts):
            began_s = time.monotonic()
            records = await played(stage, script, progress=progress)
            path = folder / f"history-{number}-{script.name}.jsonl"
            write(path, records)
            history = History(records)
            took_s = time.monotonic() - began_s
            results.append(judged(history, check(history), path=path, took_s=took_s))
            progress.advance(whole)
            tell(progress.console, results[-1])


async def played(stage, script, *, progress):
    """Play one script under a bar of its own; return the records of its history."""
    bar = progress.add_task(script.name, total=script.tasks)
    try:
        performance = Performance(
            stage, script, on_progress=lambda ended: progress.update(bar, completed=ended)
        )
        return await performance.play()
    finally:
        progress.remove_task(bar)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="default: a fresh one")
    parser.add_argument("--seeds", type=int, default=1, help="play that many, all but one fresh")
    parser.add_argument("--scripts", type=int, default=20, help="of a seed; 0: until Ctrl-C")
    parser.add_argument("--tasks", type=int, default=200, help="of each script")
    parser.add_argument("--story", action="append", choices=STORIES, default=[], help="only these")
    parser.add_argument("--folder", type=Path, help="for logs and histories; default: a new one")
    parser.add_argument("--markdown", type=Path, help="document whose tables are replaced")
    parser.add_argument(
        "--earlier", type=Path, action="append", default=[], help="result.json for these tables too"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    chosen, began_s = options(), time.monotonic()
    console = Console(stderr=True)
    packages.ensure(packages.DATABASE)
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="tradewind-faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=folder / "suite.log", level=logging.INFO)
    seeds = [chosen.seed, *(secrets.token_hex(4) for _ in range(chosen.seeds - 1))]
    said = f"seed {' '.join(seeds)}; logs and histories in {folder}"
    console.print(said, highlight=False)
    total, results = chosen.scripts * chosen.seeds or None, []
    is_long = total is None or chosen.seeds > 1
    with Progress(*COLUMNS, console=console) as progress, interruptible(is_long=is_long):
        scripts = scripts_of(seeds, chosen)
        asyncio.run(play_all(scripts, results, total=total, folder=folder, progress=progress))
    failed = sum(bool(result["violations"]) for result in results)
    document = {"seeds": seeds, "failed": failed, "scripts": results}
    (folder / "result.json").write_text(json.dumps(document, indent=2))
    if chosen.markdown:
        write_tables(chosen.markdown, results, earlier=chosen.earlier)
    if chosen.json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        Console().print(table_of(results))
    took_s = time.monotonic() - began_s
    console.print(said, highlight=False)
    console.print(closing_line(results, took_s=took_s), highlight=False)
    return 1 if failed or not results else 0


def write_tables(document, results, *, earlier):
    """Replace the tables of that document by those of these and of earlier results."""
    before = [result for file in earlier for result in json.loads(file.read_text())["scripts"]]
    for by in ("script", "seed"):
        tables.write(document, markdown([*before, *results], by=by))


def scripts_of(seeds, chosen):
    """Yield the scripts of each seed, as many as chosen."""
    for seed in seeds:
        scripts = endless(seed=seed, tasks=chosen.tasks, stories=chosen.story)
        yield from itertools.islice(scripts, chosen.scripts or None)


def interruptible(*, is_long):
    """Return a context in which Ctrl-C ends a long run, whose report then has what was played."""
    return contextlib.suppress(KeyboardInterrupt) if is_long else contextlib.nullcontext()


if __name__ == "__main__":
    sys.exit(main())
