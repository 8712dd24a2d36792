"""Break the executor on purpose, bug by bug, and see which test notices.

Works on a copy of the sources. First the tests run on the copy as it is: what fails there could not
be told from what a bug causes. Ends with 1 when too many bugs live.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import track
from rich.table import Table
from seeded import Fate, all_bugs, is_enough, killer_of, markdown

from tradewind_tools import tables

ROOT = Path(__file__).parents[2]
SOURCE = Path("executor/src")
NO_END_S = 180
PYTEST = ["-q", "-x", "--tb=native", "--no-header", "--timeout=30", "-p", "no:cacheprovider"]
PRELOADED = (
    "aiohttp",
    "airflow.executors.base_executor",
    "airflow.models.taskinstance",
    "airflow.sdk",
    "hypothesis",
    "kubernetes.client",
    "kubernetes_asyncio",
)


def preload():
    """Import once what every run needs and no bug is in; runs are forks of this process."""
    spec = importlib.util.spec_from_file_location("preloaded_conftest", ROOT / "tests/conftest.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()
    for name in PRELOADED:
        importlib.import_module(name)
    # Airflow asks installed providers for their options: what is to be broken is loaded anew.
    for name in [name for name in sys.modules if name.partition(".")[0] == "tradewind"]:
        del sys.modules[name]


def _run_tests(source, tests, output):
    """Run pytest in a fork, on those sources."""
    with output.open("w") as told:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(told.fileno(), stream.fileno())
    os.chdir(ROOT)
    sys.path.insert(0, str(source))
    os._exit(pytest.main([*PYTEST, *tests]))


class Copy:
    """The sources, to be broken and mended."""

    def __init__(self, folder):
        self._folder = Path(folder)
        shutil.copytree(ROOT / SOURCE, self._folder / SOURCE)

    def tested(self, tests):
        """Run those files on the copy as it is now; return (exit code, output)."""
        output = self._folder / "output"
        arguments = (self._folder / SOURCE, tests, output)
        run = multiprocessing.get_context("fork").Process(target=_run_tests, args=arguments)
        run.start()
        run.join(NO_END_S)
        if run.is_alive():
            run.kill()
            run.join()
            return 1, f"FAILED {tests[0]} - did not end within {NO_END_S} s"
        return run.exitcode, output.read_text(errors="replace")

    def fate_of(self, bug):
        """Return what the bug's tests make of it."""
        self._patch(bug)
        try:
            exit_code, output = self.tested(bug.tests)
        finally:
            self._patch(bug, "--reverse")
        return Fate(bug=bug, killer=killer_of(exit_code=exit_code, output=output))

    def _patch(self, bug, *more):
        command = ["git", "apply", *more, "-"]
        subprocess.run(command, cwd=self._folder, input=bug.diff, text=True, check=True)
        broken = self._folder / bug.path
        # Bytecode is told from stale by whole seconds.
        for stale in broken.parent.glob(f"__pycache__/{broken.stem}.*.pyc"):
            stale.unlink()


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bug", action="append", help="only these, by name")
    parser.add_argument(
        "--markdown", type=Path, help="document whose table of seeded bugs is replaced"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    chosen = options()
    bugs = [bug for bug in all_bugs() if not chosen.bug or bug.name in chosen.bug]
    console = Console(stderr=True)
    preload()
    with tempfile.TemporaryDirectory(prefix="tradewind-bugs-") as folder:
        copy = Copy(folder)
        exit_code, output = copy.tested(sorted({test for bug in bugs for test in bug.tests}))
        if exit_code:
            sys.exit(f"the tests fail without any bug:\n{output[-3000:]}")
        fates = [copy.fate_of(bug) for bug in track(bugs, "seeded bugs", console=console)]
    if chosen.markdown:
        tables.write(chosen.markdown, markdown(fates))
    if chosen.json:
        told = [{"bug": fate.bug.name, "killed_by": fate.killer} for fate in fates]
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        show(fates)
    return 0 if is_enough(fates) else 1


def show(fates):
    table = Table("seeded bug", "killed by")
    for fate in fates:
        table.add_row(fate.bug.name, fate.killer or "[red]nothing[/red]")
    Console().print(table)
    killed = sum(bool(fate.killer) for fate in fates)
    Console().print(f"{killed} of {len(fates)} seeded bugs are killed")


if __name__ == "__main__":
    sys.exit(main())
