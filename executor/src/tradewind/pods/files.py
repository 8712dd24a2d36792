"""YAML files that are parsed once, and again when they change. Loop thread, or a command's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml

from tradewind.errors import ConfigError
from tradewind.pods.schema import MOST_BYTES

T = TypeVar("T")

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The C one is ten times quicker; a few builds of PyYAML lack it."""


class ParsedFile(Generic[T]):
    """What `parse` makes of a YAML file.

    Args:
        path: of the file; absolute, without `..`, because the process's folder is nobody's choice.
        title: what an error calls the file, such as "pod template".
        parse: called with the document and the title with the path; raises ConfigError.

    """

    def __init__(self, path: str, *, title: str, parse: Callable[[Any, str], T]) -> None:
        self._path = Path(path)
        self._source = f"the {title} {path!r}"
        self._parse = parse
        self._stamp: tuple[int, int, int] | None = None
        self._result: T | ConfigError | None = None

    def load(self) -> T:
        """Return the parsed file; callers must not change it.

        Raises:
            ConfigError: the file cannot be read, is no YAML, or `parse` refuses it.

        """
        path = self._path
        if not path.is_absolute() or ".." in path.parts:
            raise ConfigError(f"{self._source} is no absolute path: begin it with / and use no ..")
        try:
            status = path.stat()
            # A ConfigMap's update swaps a symbolic link: a new inode, maybe of the same size.
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp or self._result is None:
                self._result = self._read(path, size=status.st_size)
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "no UTF-8 text"
            raise ConfigError(
                f"cannot read {self._source} ({reason}): put it there where the scheduler runs, or "
                "correct the path"
            ) from error
        if isinstance(self._result, ConfigError):
            raise ConfigError(str(self._result))
        return self._result

    def _read(self, path: Path, *, size: int) -> T | ConfigError:
        """Return the result or the error; both are kept, for thousands of tasks may ask."""
        if size > MOST_BYTES:
            return ConfigError(f"{self._source} is larger than {MOST_BYTES // 1000} kB: shorten it")
        text = path.read_text(encoding="utf-8")
        try:
            return self._parse(_parsed(text, source=self._source), self._source)
        except ConfigError as error:
            return error


class ParsedText(Generic[T]):
    """What `parse` makes of a setting that holds JSON, or the path of a YAML file."""

    def __init__(self, text: str, *, option: str, parse: Callable[[Any, str], T]) -> None:
        self._text = text
        self._source = f"[tradewind] {option}"
        self._parse = parse
        self._file = ParsedFile(text, title=f"file of [tradewind] {option}", parse=parse)
        self._result: T | None = None

    def load(self) -> T:
        """Return the parsed setting; callers must not change it. Empty text is an empty mapping.

        Raises:
            ConfigError: the text is neither JSON nor the path of a usable file.

        """
        if self._text.startswith("/"):
            return self._file.load()
        if self._result is None:
            try:
                document = json.loads(self._text or "{}")
            except ValueError as error:
                raise ConfigError(
                    f"{self._source} is no JSON ({error}): give a JSON object, or the absolute "
                    "path of a YAML file"
                ) from error
            self._result = self._parse(document, self._source)
        return self._result


def _parsed(text: str, *, source: str) -> object:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - one of the two safe loaders
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # Not the error's own text: it quotes the file, and a task may have named any file.
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or type(error).__name__
        raise ConfigError(f"{source} is no YAML: {problem}{where}") from None
