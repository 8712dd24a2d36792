"""How the process ends: a farewell in the termination message, what is buffered written, exit.

Without the interpreter's own tear-down, which costs a tenth of a second and nobody waits for.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tradewind.contract import EXIT_DONE, EXIT_NOT_STARTED, Farewell


@dataclass(slots=True, kw_only=True)
class Departure:
    """The one way out of the process. Main thread."""

    termination_file: Path
    is_claimed: bool
    """The pod was made for one launch, which needs another pod when this one goes."""
    _pid: int = field(default_factory=os.getpid, init=False)

    def leave_on_sigterm(self) -> None:
        """From now on SIGTERM ends the pod at once: nothing of a task has begun."""
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def leave_sigterm_to_airflow(self) -> None:
        """From now on SIGTERM does what it does with Airflow's own worker."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def say(self, farewell: Farewell) -> None:
        """Write the farewell; a container without a termination message goes without."""
        with contextlib.suppress(OSError), self.termination_file.open("r+b") as file:
            file.write(farewell.encode().encode("ascii"))
            file.truncate()

    def go(self, exit_code: int) -> NoReturn:
        """End the process with that code, after what others have registered for its end."""
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()  # noqa: SLF001 - as the SDK does it in its child
        _flush()
        os._exit(exit_code)

    def _on_sigterm(self, *_: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(128 + signal.SIGTERM)  # A child that was forked a moment ago.
        self.say(Farewell(ended="not_started", reason="ended by SIGTERM before a task began"))
        _flush()
        os._exit(EXIT_NOT_STARTED if self.is_claimed else EXIT_DONE)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
