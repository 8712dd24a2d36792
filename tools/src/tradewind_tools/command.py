"""Run a short program and turn its failure into a sentence."""

import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tradewind_tools.errors import WorkFailedError


def run(
    command: Sequence[str],
    *,
    text_input: str | None = None,
    timeout_s: float = 60,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Return what the program printed; raises WorkFailedError with its error output."""
    try:
        done = subprocess.run(
            list(command),
            env=environment,
            input=text_input,
            stdin=subprocess.DEVNULL if text_input is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkFailedError(f"`{' '.join(command)}` ran longer than {timeout_s:.0f} s") from error
    except FileNotFoundError as error:
        raise WorkFailedError(
            f"no program {command[0]!r}: install it or start it by ./task"
        ) from error
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip())[-600:]
        raise WorkFailedError(f"`{' '.join(command)}` failed: {reason}")
    return done.stdout


def succeeds(command: Sequence[str], *, timeout_s: float = 60) -> bool:
    """Tell whether the program ends with exit code 0."""
    try:
        run(command, timeout_s=timeout_s)
    except WorkFailedError:
        return False
    return True


def follow(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None],
    tail_lines: int,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run a long program, hand over its output as it comes; return exit code and last lines."""
    tail: deque[str] = deque(maxlen=tail_lines)
    with subprocess.Popen(
        list(command),
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            tail.append(line.rstrip())
            on_line(line.strip())
    return process.returncode, "\n".join(tail)
