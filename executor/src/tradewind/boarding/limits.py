"""How often one pod may ask, and how often the log says the same. Pure: the caller tells time."""

from __future__ import annotations

PER_SECOND = 2.0
BURST = 2.0
_MOST_REMEMBERED = 10_000


class RateLimit:
    """A bucket of requests for each pod, filled again as time passes."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}

    def allows(self, pod_uid: str, *, now_s: float) -> bool:
        """Take one request from the pod's bucket and return whether there was one."""
        left, since_s = self._buckets.pop(pod_uid, (BURST, now_s))
        left = min(BURST, left + (now_s - since_s) * PER_SECOND)
        allowed = left >= 1
        # Put back at the end, so that the first is the one that was silent for longest.
        self._buckets[pod_uid] = (left - 1 if allowed else left, now_s)
        if len(self._buckets) > _MOST_REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        return allowed


class Seldom:
    """Counts what happens often, and says now and then how often it did."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._kinds: dict[str, tuple[float, int]] = {}

    def due(self, kind: str, *, now_s: float) -> int:
        """Note one more; return how many there were since the last time, or 0 to keep silent.

        Kinds are from a small closed set.
        """
        said_s, count = self._kinds.get(kind, (float("-inf"), 0))
        is_due = now_s - said_s >= self._every_s
        self._kinds[kind] = (now_s, 0) if is_due else (said_s, count + 1)
        return count + 1 if is_due else 0
