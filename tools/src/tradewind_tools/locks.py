"""Exclusive work between processes: flock on a file that is never deleted.

The kernel frees the lock when its holder dies, however it dies, so no stale lock can exist.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradewind_tools import console

POLL_INTERVAL_S = 0.2


@contextmanager
def exclusive(path: Path, *, waiting_for: str) -> Iterator[None]:
    """Hold the lock at `path`; while another process has it, say so and wait without end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not inherited by programs that we start (close-on-exec is Python's default), so the lock
    # ends with us even when they live on.
    with path.open("a+") as file:
        if not _try(file.fileno()):
            with console.step(f"waiting for another process to finish {waiting_for}") as step:
                while not _try(file.fileno()):
                    step.note(f"lock {path}")
                    time.sleep(POLL_INTERVAL_S)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
