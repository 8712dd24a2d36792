"""How often one pod may ask. Pure: the caller tells the time."""

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
