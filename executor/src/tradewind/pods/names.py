"""Names of task pods: readable, and the same for the same launch.

A create whose answer was lost is repeated under the same name, so the API server itself refuses
the duplicate. That is what makes a launch happen once.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from uuid import UUID

MAX_CHARS = 63
"""Longer pod names are legal, but the pod's host name would be cut."""

_HASH_CHARS = 12
_NOT_DNS = re.compile(r"[^a-z0-9]+")


def pod_name(dag_id: str, task_id: str, *, launch_id: UUID, ordinal: int) -> str:
    """Return `<dag>-<task>-<hash>[-r<ordinal>]`, a DNS label of at most 63 characters."""
    digest = hashlib.sha256(launch_id.bytes).hexdigest()[:_HASH_CHARS]
    suffix = f"-{digest}" if ordinal == 0 else f"-{digest}-r{ordinal}"
    slug = _slug(f"{dag_id}-{task_id}")[: MAX_CHARS - len(suffix)].strip("-")
    return f"{slug or 'task'}{suffix}"


def _slug(text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NOT_DNS.sub("-", ascii_text.lower()).strip("-")
