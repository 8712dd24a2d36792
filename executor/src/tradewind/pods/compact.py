"""Keep of a decoded pod what the executor reads, and share what pods of one shape have in common.

A pod is held as long as its task lives, and most of it says the same as every other one:
containers, resources, conditions. Labels that only users select by are a third of the rest.
"""

from __future__ import annotations

import sys
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from tradewind.client.models import Pod
from tradewind.pods import labels

_OURS = "tradewind/"
_UPSTREAMS = "airflow-worker"
"""Names the scheduler that follows the pod; the one label without our prefix that is read."""
_UNIQUE = frozenset({labels.LAUNCH_ID, labels.ROW_ID, labels.CLAIMED_AT})
"""To look up what no two pods share costs more than it saves."""
_MOST_KNOWN = 2000

_T = TypeVar("_T")


class Compactor:
    """One for each thread that decodes pods."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}

    def __call__(self, pod: Pod) -> Pod:
        """Return the pod with less of its own."""
        metadata, spec, status = pod.metadata, pod.spec, pod.status
        return replace(
            pod,
            metadata=replace(
                metadata,
                namespace=sys.intern(metadata.namespace),
                creation_timestamp=_interned(metadata.creation_timestamp),
                labels={
                    name: _one_of_its_kind(name, value)
                    for name, value in metadata.labels.items()
                    if name.startswith(_OURS) or name == _UPSTREAMS
                },
                annotations={
                    name: _one_of_its_kind(name, value)
                    for name, value in metadata.annotations.items()
                    if name in labels.RESERVED_ANNOTATIONS
                },
            ),
            spec=self._shared(spec),
            status=replace(
                status,
                phase=sys.intern(status.phase),
                conditions=self._shared(status.conditions),
                container_statuses=self._shared(status.container_statuses),
                init_container_statuses=self._shared(status.init_container_statuses),
            ),
        )

    def _shared(self, value: _T) -> _T:
        text = msgspec.json.encode(value)
        known: _T | None = self._known.get(text)
        if known is not None:
            return known
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[text] = value
        return value


def _one_of_its_kind(name: str, value: str) -> str:
    return value if name in _UNIQUE else sys.intern(value)


def _interned(text: str | None) -> str | None:
    return None if text is None else sys.intern(text)
