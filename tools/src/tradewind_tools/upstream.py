"""Fetch the tests of upstream's Kubernetes provider, which its source distribution contains.

The version and the hashes are those of locks/dev.txt, so tests and installed provider are always
the same release. The tests land in `<cache>/upstream/<provider>-<version>-<key>/` by one rename
after they are unpacked, so a folder that is there is whole: a fetch killed at any moment leaves
only a `.partial` folder, which the next fetch removes.
"""

import hashlib
import os
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tradewind_tools import command, console, locks, partial, paths
from tradewind_tools.errors import ToolError, WorkFailedError

PROVIDER = "apache-airflow-providers-cncf-kubernetes"
LOCK = paths.CHECKOUT / "locks" / "dev.txt"
TESTS = PurePosixPath("tests/unit/cncf/kubernetes")
"""The folder of tests inside the source distribution; nothing else is unpacked."""
DOWNLOAD_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The provider's entry in the lock file."""

    version: str
    requirement: str
    """The entry itself, with all its hashes."""

    @property
    def target(self) -> Path:
        """The folder that holds the finished tests."""
        key = hashlib.sha256(self.requirement.encode()).hexdigest()[:12]
        return paths.cache_dir() / "upstream" / f"{PROVIDER}-{self.version}-{key}"


def pin(lock: Path = LOCK) -> Pin:
    """Read the pin; raises ToolError when the lock file has no hashed entry of the provider."""
    entry = rf"^{re.escape(PROVIDER)}==(\S+)((?: \\\n +--hash=\S+)+)$"
    match = re.search(entry, lock.read_text(), re.MULTILINE)
    if match is None:
        raise ToolError(f"{lock} pins no {PROVIDER} with hashes: run ./task locks")
    return Pin(version=match[1], requirement=match[0])


def ensure() -> Path:
    """Return the folder of the provider's tests, fetched when it is not there.

    Safe under concurrent use; raises WorkFailedError when the download fails or has no tests.
    """
    pinned = pin()
    if pinned.target.is_dir():
        return pinned.target
    lock = pinned.target.parent / f".{PROVIDER}.lock"
    with locks.exclusive(lock, waiting_for=f"the fetch of {PROVIDER}'s tests"):
        if not pinned.target.is_dir():
            _fetch(pinned)
    return pinned.target


def _fetch(pinned: Pin) -> None:
    with (
        partial.folder(pinned.target.parent, prefix=PROVIDER) as folder,
        console.step(f"fetching the tests of {PROVIDER} {pinned.version}"),
    ):
        unpack(_download(pinned, folder), folder / "tests")
        (folder / "tests").rename(pinned.target)


def _download(pinned: Pin, folder: Path) -> Path:
    """Return the source distribution, whose hash pip has compared with the lock's."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{pinned.requirement}\n")
    pip = [str(python()), "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
    source_only = ["--no-deps", "--no-binary", PROVIDER]
    command.run(
        [*pip, *source_only, "--require-hashes", "-r", str(requirements), "-d", str(folder)],
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )
    return next(folder.glob("*.tar.gz"))


def unpack(archive: Path, folder: Path) -> None:
    """Put what the archive has below `<top>/TESTS` into `folder`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, inside = member.name.partition("/")
            if member.isfile() and PurePosixPath(inside).is_relative_to(TESTS):
                member.name = str(PurePosixPath(inside).relative_to(TESTS))
                tar.extract(member, folder, filter="data")
    if not folder.is_dir():
        raise WorkFailedError(f"{archive.name} has no {TESTS}: did upstream move its tests?")


def python() -> Path:
    """Return the Python of the tool environment: it has pip, the checkout's has not."""
    folder = os.environ.get("TRADEWIND_BIN", "")
    if not folder:
        raise ToolError("TRADEWIND_BIN is not set: start verbs through ./task")
    return Path(folder) / "python"
