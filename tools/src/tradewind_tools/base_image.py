"""The Debian image that ours are built on: pulled where a registry answers, else made here.

Made with debootstrap it is kept as a tarball in the cache, so a new builder imports it in seconds.
It gets a name of our own: the user's `debian` images stay what they are.
"""

import os
import shutil
import tempfile
from pathlib import Path

from tradewind_tools import command, console, locks, packages, paths
from tradewind_tools.builder import Builder
from tradewind_tools.errors import ToolError, WorkFailedError

PUBLIC = "debian:trixie-slim"
OWN = "tradewind.local/debian:trixie"
SUITE = "trixie"
INCLUDE = "ca-certificates"
PULL_TIMEOUT_S = 120.0
TAIL_LINES = 11
"""Lines of a failed debootstrap's output that are shown."""


def ensure(builder: Builder) -> str:
    """Return the name of a base image that the builder has."""
    for name in (PUBLIC, OWN):
        if command.succeeds([*builder.docker, "image", "inspect", name]):
            return name
    archive = paths.cache_dir() / "base" / f"{SUITE}.tar"
    if not archive.exists():
        with console.step(f"pulling {PUBLIC}") as step:
            if command.succeeds([*builder.docker, "pull", PUBLIC], timeout_s=PULL_TIMEOUT_S):
                return PUBLIC
            step.result = "no registry answers, making it here"
        _bootstrap(archive)
    with console.step(f"importing the base image {OWN}"):
        command.run([*builder.docker, "import", str(archive), OWN], timeout_s=300)
    return OWN


def _bootstrap(archive: Path) -> None:
    if os.geteuid() != 0:
        raise ToolError(f"{PUBLIC} cannot be pulled, and making it needs root: use sudo")
    packages.ensure(packages.BUILDER)
    with locks.exclusive(archive.with_name(f".{SUITE}.lock"), waiting_for="the base image"):
        if archive.exists():
            return
        for leftover in archive.parent.glob("*.partial"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        root = Path(tempfile.mkdtemp(suffix=".partial", dir=archive.parent))
        root.chmod(0o755)
        try:
            with console.step(f"making a Debian {SUITE} base with debootstrap") as step:
                _debootstrap(root, step)
                partial = archive.with_suffix(".tar.partial")
                exclude = ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
                tar = ["tar", "-C", str(root), *exclude, "-cf", str(partial), "."]
                command.run(tar, timeout_s=300)
                partial.rename(archive)
        finally:
            shutil.rmtree(root, ignore_errors=True)


def _debootstrap(root: Path, step: console.Step) -> None:
    arguments = ["--variant=minbase", f"--include={INCLUDE}", SUITE, str(root)]
    exit_code, tail = command.follow(
        ["debootstrap", *arguments], on_line=step.note, tail_lines=TAIL_LINES
    )
    if exit_code:
        raise WorkFailedError(f"debootstrap failed:\n{tail}")
