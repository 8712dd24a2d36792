"""What the watch has shown so far: one view per pod, from the raw events. Loop thread only.

Our own, because kopf's indices hold the whole of every listed pod, and a task for each, until the
last one is indexed, and wake all of them for each: the memory and the square of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tradewind.client.models import Pod
from tradewind.janitor import view
from tradewind.janitor.view import PodView

_DELETED = "DELETED"


class Picture:
    """Views by uid."""

    def __init__(self) -> None:
        self._views: dict[str, PodView] = {}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event: `type`, None for a pod of a list, and `object`, the pod.

        Raises:
            msgspec.ValidationError: it is no pod; an older view of it would be wrong and is gone.

        """
        raw = event["object"]
        self._views.pop(raw["metadata"]["uid"], None)
        if event["type"] != _DELETED:
            seen = view.of(msgspec.convert(raw, Pod))
            self._views[seen.uid] = seen

    def views(self) -> list[PodView]:
        """Return all views as they are now."""
        return list(self._views.values())
