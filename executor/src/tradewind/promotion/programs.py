"""Run git, helm or kubectl, and turn their failure into a sentence."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from tradewind.promotion.findings import PromotionError, UnreachableError, UnusableError

TIMEOUT_S = 120.0
SAID_CHARS = 600


def run(
    command: Sequence[str],
    *,
    text: str | None = None,
    environment: Mapping[str, str] | None = None,
    failure: type[PromotionError] = UnusableError,
) -> str:
    """Return what the program printed, exactly.

    Raises:
        UnusableError: the program is not installed.
        UnreachableError: it ran longer than two minutes.
        PromotionError: of the class `failure`, with the last of its error output.

    """
    try:
        done = subprocess.run(
            list(command),
            input=None if text is None else text.encode(errors="surrogateescape"),
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise UnusableError(f"no program {command[0]!r} on PATH: install it") from error
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"`{shown(command)}` ran longer than {TIMEOUT_S:.0f} s") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode(errors="replace")[-SAID_CHARS:]
        ended = failure(f"`{shown(command)}` failed: {said or f'exit code {done.returncode}'}")
        ended.output = done.stdout.decode(errors="replace")
        raise ended
    # Not by subprocess itself: it turns \r\n into \n, and a file's text has to stay what it is.
    return done.stdout.decode(errors="surrogateescape")


def shown(command: Sequence[str]) -> str:
    """Return the beginning of a command for a sentence."""
    return " ".join([*command[:6], *(["…"] if len(command) > 6 else [])])  # noqa: PLR2004
