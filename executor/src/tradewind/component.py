"""Run a program and send what it prints to Loki: `python -m tradewind.component NAME COMMAND…`.

For schedulers, DAG processors, triggerers, API servers and the janitor. What the program prints is
printed here unchanged; signals are handed on; the exit code is the program's. That Loki is away, or
a setting wrong, never stops the program. Knows no Airflow, so that it starts at once and stays
small.
"""

from __future__ import annotations

import logging
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from tradewind.errors import ConfigError
from tradewind.logs import settings
from tradewind.logs.client import LokiClient
from tradewind.logs.identity import LogIdentity
from tradewind.logs.output import OutputLog
from tradewind.logs.sender import Sender
from tradewind.logs.settings import LokiSettings

log = logging.getLogger(__name__)

CLOSE_S = 5.0
"""For what is not sent when the program has ended; `loki_flush_timeout` where that is less. It is
time in which the pod of a component still ends."""
LINE_BYTES = 1_000_000
"""Longer lines are cut into several."""
_HANDED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_READ_BYTES = 65_536
_LOOK_S = 0.5
_ORPHANS_S = 2.0
"""How long the pipe is read after the program's end, where a child of its still holds it."""
_USAGE_ERROR = 2
_SIGNALLED = 128


class EnvironmentConf:
    """Airflow's options as far as they are environment variables."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take the environment."""
        self._environ = environ

    def has_option(self, section: str, key: str) -> bool:
        """Return whether the variable is set."""
        return self._name(section, key) in self._environ

    def get(self, section: str, key: str) -> str | None:
        """Return the variable's text."""
        return self._environ.get(self._name(section, key))

    @staticmethod
    def _name(section: str, key: str) -> str:
        return f"AIRFLOW__{section.upper()}__{key.upper()}"


class Lines:
    """Bytes as they come, as lines."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """Take who gets each line, without its end."""
        self._write = write
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._write(line)
        while len(self._rest) >= LINE_BYTES:
            self._write(self._rest[:LINE_BYTES])
            self._rest = self._rest[LINE_BYTES:]

    def end(self) -> None:
        """Take what has no end of line as a line."""
        if self._rest:
            self._write(self._rest)
            self._rest = b""


def main(words: Sequence[str] = tuple(sys.argv[1:])) -> int:
    """Run the program to its end; return its exit code, 128 and the signal where one ended it."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    if len(words) < 2:  # noqa: PLR2004 - a name and a command
        sys.stderr.write("usage: python -m tradewind.component NAME COMMAND…\n")
        return _USAGE_ERROR
    name, *command = words
    loki = output = None
    try:
        loki = settings.load(EnvironmentConf(os.environ))
        output = _opened(loki, name) if loki is not None else None
    except (ConfigError, OSError) as error:
        log.error("the output of %s does not go to Loki: %s", name, error)  # noqa: TRY400 - told
    if loki is None or output is None:
        os.execvp(command[0], command)  # noqa: S606 - the chart's command line
    return _run(command, output, close_s=min(CLOSE_S, loki.flush_timeout_s))


def _opened(loki: LokiSettings, name: str) -> OutputLog:
    sender = Sender(
        LokiClient(loki).push,
        environment=loki.environment,
        clock=time.monotonic,
        jitter=random.SystemRandom().random,
    )
    folder = Path(tempfile.gettempdir()) / "tradewind-output" / name
    identity = LogIdentity(dag_id="", component=name, fields=(("pod", socket.gethostname()),))
    output = OutputLog(sender, folder=folder, identity=identity)
    threading.Thread(target=_send, args=(output,), name="loki-sender", daemon=True).start()
    return output


def _send(output: OutputLog) -> None:
    while True:
        try:
            time.sleep(output.step())
        except Exception:
            log.exception("sending output failed; going on in a second")
            time.sleep(1.0)


def _run(command: Sequence[str], output: OutputLog, *, close_s: float) -> int:
    program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def hand_on(number: int, _: FrameType | None) -> None:
        program.send_signal(number)

    for number in _HANDED_ON:
        signal.signal(number, hand_on)
    lines = Lines(output.write)
    _copy(program, lines)
    code = program.wait()
    lines.end()
    if left := output.close(timeout_s=close_s):
        log.warning("%d lines of this output are not in Loki", left)
    return code if code >= 0 else _SIGNALLED - code


def _copy(program: subprocess.Popen[bytes], lines: Lines) -> None:
    """Print what the program prints until it has ended and nothing more comes."""
    assert program.stdout is not None  # noqa: S101 - a pipe was asked for
    pipe = program.stdout.fileno()
    ended_at: float | None = None
    while ended_at is None or time.monotonic() < ended_at + _ORPHANS_S:
        if select.select([pipe], [], [], _LOOK_S)[0]:
            data = os.read(pipe, _READ_BYTES)
            if not data:
                return
            _print(data)
            lines.feed(data)
        elif ended_at is None and program.poll() is not None:
            ended_at = time.monotonic()


def _print(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


if __name__ == "__main__":
    sys.exit(main())
