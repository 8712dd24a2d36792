"""Half-done work in the cache: in a folder that no finished thing is ever mistaken for."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def folder(parent: Path, *, prefix: str) -> Iterator[Path]:
    """Give an empty folder below `parent`, to be renamed from; it is gone at the end.

    What killed calls of the same prefix left goes first, so the caller has to hold their lock.
    """
    for leftover in parent.glob(f".{prefix}-*.partial"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A dot in front and `.partial` behind.
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}-", suffix=".partial", dir=parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
