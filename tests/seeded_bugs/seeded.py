"""Seeded bugs: patches of the executor, each with what is wrong and which tests kill it. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

PATCHES = Path(__file__).with_name("patches")
ENOUGH = 0.95
"""Share of the bugs that the suites have to kill."""
_HEAD = re.compile(r"(?P<what>.+?)\n\nKilled by: (?P<tests>.+?)\n\n(?P<diff>--- .+)", re.DOTALL)
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One patch."""

    name: str
    what: str
    """One sentence."""
    tests: tuple[str, ...]
    """Files in which a test is to fail."""
    path: str
    """Of the file that it changes."""
    diff: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What the tests made of a bug."""

    bug: Bug
    killer: str
    """The first test that failed; empty when the bug lives."""


def parse(name, text):
    """Return the bug in that file.

    Raises:
        ValueError: it is not made of a sentence, `Killed by:` with files, and a diff of one file.

    """
    found = _HEAD.fullmatch(text)
    if found is None or found["diff"].count("\n+++ b/") != 1:
        raise ValueError(f"{name} is no seeded bug: sentence, `Killed by: FILES`, diff of a file")
    path = re.search(r"^\+\+\+ b/(\S+)", found["diff"], re.MULTILINE)[1]
    what = found["what"].replace("\n", " ")
    return Bug(
        name=name, what=what, tests=tuple(found["tests"].split()), path=path, diff=found["diff"]
    )


def all_bugs():
    """Return the bugs by name."""
    return [parse(file.stem, file.read_text()) for file in sorted(PATCHES.glob("*.patch"))]


def killer_of(*, exit_code, output):
    """Return the test that killed a bug, by pytest's exit code and output; empty for none.

    Raises:
        ValueError: pytest did not run the tests, which proves nothing about the bug.

    """
    if exit_code == 0:
        return ""
    found = _FAILED.search(output)
    if exit_code != 1 or found is None:
        raise ValueError(f"pytest ended with {exit_code} and named no test:\n{output[-2000:]}")
    return found[1]


def is_enough(fates):
    """Tell whether the suites kill as many as they have to."""
    killed = sum(bool(fate.killer) for fate in fates)
    return bool(fates) and killed >= ENOUGH * len(fates)


def markdown(fates):
    """Return the table of a report."""
    lines = ["| seeded bug | what is wrong | killed by |", "|---|---|---|"]
    for fate in fates:
        killer = f"`{fate.killer}`" if fate.killer else "**nothing**"
        lines.append(f"| {fate.bug.name} | {fate.bug.what} | {killer} |")
    return "\n".join(lines) + "\n"
