"""Files that other programs replace under us: tokens, certificates, CA bundles.

The kubelet and secret mounts rotate them by swapping a link, editors and sidecars by writing anew.
Both change what `stat` says, so a file is read again exactly when that changed. While a rotation
leaves no readable file, the last content serves on. Any thread, one at a time.
"""

from __future__ import annotations

import logging
from pathlib import Path

from tradewind.errors import ConfigError

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]


class FollowedFile:
    """One file's content, as young as the file."""

    def __init__(self, path: Path, *, what: str) -> None:
        self._path = path
        self.what = what
        """Names the file's role and origin in errors, for instance `tokenFile of user 'ci'`."""
        self._stamp: _Stamp | None = None
        self._content = b""

    def read(self) -> bytes:
        """Return the content; microseconds when the file did not change.

        Raises:
            ConfigError: the file was never readable, or is empty.

        """
        try:
            stamp = self._now()
            if stamp != self._stamp:
                self._content, self._stamp = self._load(), stamp
        except (OSError, ConfigError) as error:
            if self._stamp is None:
                raise self._unusable(error) from error
            log.debug("keeping the last content of %s: %s", self._path, error)
        return self._content

    def forget(self) -> None:
        """Read the file at the next call, whatever `stat` says; keep the content until then."""
        if self._stamp is not None:
            self._stamp = (0, 0, 0)

    def _now(self) -> _Stamp:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _load(self) -> bytes:
        content = self._path.read_bytes()
        if not content.strip():
            raise ConfigError(f"{self.what} is {str(self._path)!r}, which is empty: fill it")
        return content

    def _unusable(self, error: OSError | ConfigError) -> ConfigError:
        if isinstance(error, ConfigError):
            return error
        return ConfigError(
            f"{self.what} is {str(self._path)!r}, which cannot be read "
            f"({error.strerror or error}): mount it there or correct the path"
        )
