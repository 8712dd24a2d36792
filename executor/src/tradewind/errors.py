"""Root of the package's errors.

Every error says what happened, with the values, then the remedy. Whether repeating the same call
can help is data on the error, so that policies stay tables.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator


class TradewindError(Exception):
    """Base of all errors raised by this package."""

    retryable: bool = False
    """True when the same call may succeed later without anybody changing anything."""

    retry_after_s: float | None = None
    """Seconds the server asked us to wait, or None when it did not say."""


class ConfigError(TradewindError):
    """A setting, pod template, kubeconfig or override cannot be used as it is."""


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Let an error of ours end a command with its sentence and exit code 2."""
    try:
        yield
    except TradewindError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
