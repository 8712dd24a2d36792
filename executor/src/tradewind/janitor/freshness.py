"""Whether the watch tells the truth, and sweeps are on time. Pure.

A watch can die without a word. So a list is taken now and then and remembered; at the next one the
watch must have told everything the first list knew. A picture may lag, but not by a whole interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_START_S = 180.0
"""Before this, a process that has done nothing yet is starting, not dead."""


@dataclass(slots=True)
class WatchCheck:
    """Compares picture and lists; versions are resourceVersions by uid."""

    before: dict[str, int] = field(default_factory=dict)
    """What the list before knew."""
    behind: int = 0
    """Pods whose changes the watch has not told although the list before knew them."""
    ghosts: frozenset[str] = frozenset()
    """Pods that the watch still shows although two lists in a row did not have them."""

    def compare(self, seen: Mapping[str, int], listed: Mapping[str, int]) -> None:
        """Take in a new list and what the watch had shown just before it was asked for."""
        self.behind = sum(
            1
            for uid, version in self.before.items()
            if uid in listed and seen.get(uid, -1) < version
        )
        self.ghosts = frozenset(uid for uid in seen if uid not in listed and uid not in self.before)
        self.before = dict(listed)


@dataclass(slots=True, kw_only=True)
class Pulse:
    """What liveness looks at. Times in monotonic seconds."""

    interval_s: float
    started_s: float
    swept_s: float | None = None
    behind_since_s: float | None = None

    def swept(self, now_s: float) -> None:
        """Note that a pass over all pods ended."""
        self.swept_s = now_s

    def checked(self, behind: int, now_s: float) -> None:
        """Note how many pods the watch is behind with."""
        if not behind:
            self.behind_since_s = None
        elif self.behind_since_s is None:
            self.behind_since_s = now_s

    def trouble(self, now_s: float) -> str:
        """Return what is wrong enough to be started anew for, or nothing."""
        allowed_s = 3 * self.interval_s + _START_S
        late_s = now_s - (self.started_s if self.swept_s is None else self.swept_s)
        if late_s > allowed_s:
            return f"no sweep has ended for {late_s:.0f} s"
        if self.behind_since_s is not None:
            return "the watch is dead: a list knew changes long before it"
        return ""
