"""Rendered manifests, before and after, as a difference that may be shown. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

MASK = "***"
MASK_CHANGED = "*** (changed)"
FENCE = 8
"""Characters that the fences around a cut diff take, and their line ends."""
# libyaml's, ten times the speed; as safe as the other.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DOCUMENT = re.compile(r"^---.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes in an environment."""

    text: str
    """A unified diff; empty when nothing changes."""
    added: int
    changed: int
    removed: int
    is_known: bool = True
    """Whether anything was rendered."""

    @property
    def summary(self) -> str:
        """One line for tables and titles."""
        if not self.is_known:
            return "nothing, for it is refused without"
        if not self.text:
            return "no object changes"
        counts = ((self.added, "added"), (self.changed, "changed"), (self.removed, "removed"))
        return ", ".join(f"{number} {word}" for number, word in counts if number) + " objects"


def documents(text: str) -> dict[str, str]:
    """Return Kind/namespace/name -> the document's own text, as Helm wrote it."""
    found: dict[str, str] = {}
    for part in _DOCUMENT.split(text):
        loaded = yaml.load(part, Loader=_LOADER)  # noqa: S506 - a safe loader
        if isinstance(loaded, dict):
            found[_name(loaded)] = part.strip() + "\n"
    return found


def difference(before: str, *, after: str) -> Difference:
    """Compare two renderings object by object, with what Secrets hold masked."""
    old, new = documents(before), documents(after)
    lines: list[str] = []
    changed = 0
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            continue
        changed += name in old and name in new
        pair = (old.get(name, ""), new.get(name, ""))
        left, right = _masked(*pair) if name.startswith("Secret/") else pair
        lines += difflib.unified_diff(
            left.splitlines(), right.splitlines(), f"before/{name}", f"after/{name}", lineterm=""
        )
    text = "\n".join(lines) + "\n" if lines else ""
    return Difference(text, len(new.keys() - old.keys()), changed, len(old.keys() - new.keys()))


def cut(text: str, *, most_chars: int) -> str:
    """Return the text, or its beginning up to a line's end and a word on what is missing."""
    if len(text) <= most_chars:
        return text
    lines = text.splitlines(keepends=True)
    total, kept = len(lines), 0
    left = most_chars - len(_rest(total))
    while kept < total and left >= len(lines[kept]):
        left -= len(lines[kept])
        kept += 1
    return ("".join(lines[:kept]) + _rest(total - kept))[:most_chars]


def _rest(lines: int) -> str:
    return f"… {lines} more lines: `tradewind promote diff` prints all of them\n"


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata") or {}
    parts = (document.get("kind", "?"), metadata.get("namespace", ""), metadata.get("name", "?"))
    return "/".join(str(part) for part in parts if part)


def _masked(before: str, after: str) -> tuple[str, str]:
    """Mask values on both sides; where they differ, the right side says so."""
    old, new = (yaml.load(text, Loader=_LOADER) or {} for text in (before, after))  # noqa: S506
    for section in ("data", "stringData"):
        left, right = old.get(section) or {}, new.get(section) or {}
        for key in right:
            same = key not in left or left[key] == right[key]
            right[key] = MASK if same else MASK_CHANGED
        left.update(dict.fromkeys(left, MASK))
    dumped = (yaml.safe_dump(one, sort_keys=False) if one else "" for one in (old, new))
    left_text, right_text = dumped
    return left_text, right_text
