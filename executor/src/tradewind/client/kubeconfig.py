"""Kubeconfig files: found, merged and reduced to one context. Reads files, proves nothing.

Merged as kubectl does: of entries with the same name the first file's wins as a whole, a missing
file of several is skipped, and a relative path is relative to the file it stands in.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tradewind.errors import ConfigError

_LISTS = {"contexts": "context", "clusters": "cluster", "users": "user"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One named cluster, user or context, with the file it stands in."""

    kind: str
    name: str
    file: Path
    values: Mapping[str, Any]

    def field(self, key: str) -> str:
        """Name a field for error sentences."""
        return f"{key} of {self.kind} {self.name!r} in {str(self.file)!r}"

    def text(self, key: str) -> str:
        """Return a field's text, empty when it is not there.

        Raises:
            ConfigError: the field is no text.

        """
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ConfigError(f"{self.field(key)} is a {type(value).__name__}: write text")
        return value

    def flag(self, key: str) -> bool:
        """Return a boolean field, False when it is not there.

        Raises:
            ConfigError: the field is no boolean.

        """
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise ConfigError(f"{self.field(key)} is {value!r}: write true or false")
        return bool(value)

    def path(self, key: str) -> Path | None:
        """Return the file that a field names, or None."""
        text = self.text(key)
        return self.file.parent / text if text else None

    def data(self, key: str) -> bytes:
        """Return a base64 field's bytes, empty when it is not there.

        Raises:
            ConfigError: the field is no base64.

        """
        try:
            return base64.b64decode("".join(self.text(key).split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConfigError(
                f"{self.field(key)} is no base64 ({error}): encode the PEM file with `base64 -w0`"
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What one context points to."""

    name: str
    cluster: Entry
    user: Entry


def default_paths() -> list[Path]:
    """Return the files of KUBECONFIG, or the one in the home folder."""
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [Path(part) for part in listed] or [Path.home() / ".kube" / "config"]


def load(paths: Sequence[Path], *, context: str = "") -> Context:
    """Return the named context of the merged files, or their current one.

    Raises:
        ConfigError: no file is there, one is malformed, or an entry is missing.

    """
    present = [path for path in paths if path.is_file()]
    if not present:
        listed = ", ".join(repr(str(path)) for path in paths)
        raise ConfigError(f"no kubeconfig at {listed}: set [tradewind] config_file")
    documents = [(path, _document(path)) for path in present]
    name = context or _current(documents)
    chosen = _named(documents, "contexts", name)
    nobody = Entry(kind="user", name="", file=chosen.file, values={})
    user = chosen.text("user")
    return Context(
        name=name,
        cluster=_named(documents, "clusters", chosen.text("cluster")),
        user=_named(documents, "users", user) if user else nobody,
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the kubeconfig {str(path)!r}: {error}") from error
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"the kubeconfig {str(path)!r} is no YAML: {said}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"the kubeconfig {str(path)!r} is no mapping: begin it with `kind`")
    return document


def _current(documents: Sequence[tuple[Path, dict[str, Any]]]) -> str:
    for _, document in documents:
        if document.get("current-context"):
            return str(document["current-context"])
    files = ", ".join(repr(str(path)) for path, _ in documents)
    raise ConfigError(f"{files} names no current-context: set [tradewind] cluster_context")


def _named(documents: Sequence[tuple[Path, dict[str, Any]]], plural: str, name: str) -> Entry:
    kind = _LISTS[plural]
    known: list[str] = []
    for path, document in documents:
        for entry in _entries(document, plural, path):
            if entry.get("name") == name:
                values = entry.get(kind)
                if not isinstance(values, Mapping):
                    raise ConfigError(f"{kind} {name!r} in {str(path)!r} has no mapping `{kind}`")
                return Entry(kind=kind, name=name, file=path, values=values)
            known.append(str(entry.get("name")))
    files = ", ".join(repr(str(path)) for path, _ in documents)
    raise ConfigError(f"no {kind} {name!r} in {files}: it has {', '.join(sorted(known)) or 'none'}")


def _entries(document: Mapping[str, Any], plural: str, path: Path) -> list[dict[str, Any]]:
    entries = document.get(plural) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(f"`{plural}` in {str(path)!r} is no list of mappings with a name")
    return entries
