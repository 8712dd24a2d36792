"""How many pods may be starting at once: more than the nodes can feed only slow each other. Pure.

A pod is starting from its create until its task begins: once its container runs, a worker still
imports for seconds of processor time, and fifty importing at once take as long as their images
would. Pods that wait for something other than the node's attention (no node fits, an image that
cannot be pulled) do not count: they would hold back launches that could start.

A pod of a warm pool that was just claimed takes room too, until its task begins: others would slow
it down. Claims have a limit of their own: of fifty tasks that begin at once on two cores all begin
late, while of those that begin a few at a time half are done when the others' turn comes.

An adaptive limit learns from start times. While starts take about as long as the best ones did, it
doubles, so that a large cluster is not fed with a spoon; once they took markedly longer it is
halved, and from then on grows by a constant.
"""

from __future__ import annotations

import math
import statistics
from uuid import UUID

FIRST_LIMIT = 8
"""About twice what one node of four cores starts at once without starts becoming slower."""
FIRST_CLAIMS = 16
"""Claimed pods need a tenth of the processor time."""
LEAST_LIMIT = 4
STEP = 4
GROWTH = 1.5
SLACK_S = 1.0
"""Start times may exceed the best by this factor plus this much before they count as grown."""
FORGET = 1.002
"""The best time grows by this factor per round, so that a lucky one is forgotten. Slowly: it must
not keep up with a limit that grows, or no start would ever seem slow."""
STUCK_AFTER_S = 60.0
"""A pod that starts for longer is held up by something that waiting for it does not help."""
BRIEF_S = 5.0
"""A task that ended so soon after its container ran began somewhere in between: near enough to
learn from. A longer one whose beginning nobody saw tells nothing about how long starts take."""


def is_slow(typical_s: float, *, best_s: float) -> bool:
    """Whether starts that typically take `typical_s` show that too many go on at once."""
    return typical_s > best_s * GROWTH + SLACK_S


def next_limit(
    limit: int, *, typical_s: float, best_s: float, was_full: bool, is_exploring: bool
) -> int:
    """Return the limit after one round of starts that typically took `typical_s`.

    Args:
        limit: pods that could be starting at once during the round.
        typical_s: median of the start times of the round.
        best_s: lowest such median so far.
        was_full: whether launches waited for the limit; otherwise nothing was learned about more.
        is_exploring: whether starts were never slow so far.

    """
    if is_slow(typical_s, best_s=best_s):
        return max(LEAST_LIMIT, limit // 2)
    if not was_full:
        return limit
    return limit * 2 if is_exploring else limit + STEP


class Limit:
    """How many at once, learned from how long each took."""

    def __init__(self, first: int) -> None:
        self.value = first
        self._round: list[float] = []
        self._best_s = math.inf
        self._was_full = False
        self._is_exploring = True
        self._cut_s = -math.inf

    def was_full(self) -> None:
        """Note that one more had to wait."""
        self._was_full = True

    def took(self, began_s: float, now_s: float) -> None:
        """Note a start that has just ended."""
        if began_s < self._cut_s:
            return  # Begun before the last cut: the same crowd must not count twice.
        self._round.append(now_s - began_s)
        if len(self._round) >= max(LEAST_LIMIT, self.value // 2):
            self._learn(now_s)

    def _learn(self, now_s: float) -> None:
        typical_s = statistics.median(self._round)
        self._best_s = min(self._best_s * FORGET, typical_s)
        if is_slow(typical_s, best_s=self._best_s):
            self._is_exploring, self._cut_s = False, now_s
        self.value = next_limit(
            self.value,
            typical_s=typical_s,
            best_s=self._best_s,
            was_full=self._was_full,
            is_exploring=self._is_exploring,
        )
        self._round.clear()
        self._was_full = False


class Starts:
    """Pods on their way from create to their task's beginning."""

    def __init__(self, *, fixed: int = 0) -> None:
        """Take `fixed` as the limit; 0 learns it."""
        self._fixed = fixed
        self._created_limit, self._claimed_limit = Limit(FIRST_LIMIT), Limit(FIRST_CLAIMS)
        self._began: dict[UUID, float] = {}
        self._importing: dict[UUID, float] = {}
        self._claimed: set[UUID] = set()
        """Those of them that had imported before; how long they take says nothing of the others."""

    def __len__(self) -> int:
        return len(self._began)

    @property
    def limit(self) -> int:
        """Pods that may be starting at once."""
        return self._fixed or self._created_limit.value

    @property
    def claimed(self) -> int:
        """Pods of warm pools whose launch has not begun its task yet."""
        return len(self._claimed)

    def hold_s(self, now_s: float, *, in_flight: int) -> float:
        """Return 0 when one more may start beside `in_flight` creates, else infinity or a wait."""
        if len(self._began) + in_flight < self.limit:
            return 0.0
        if len(self._began) - len(self._claimed) + in_flight >= self.limit:
            self._created_limit.was_full()
        self._drop_stuck(now_s)
        if len(self._began) + in_flight < self.limit:
            return 0.0
        oldest_s = min(self._began.values(), default=now_s)
        return max(0.1, oldest_s + STUCK_AFTER_S - now_s)

    def may_claim(self, now_s: float, *, in_flight: int) -> bool:
        """Whether one more pod may be claimed beside `in_flight` claims."""
        if len(self._claimed) + in_flight < self._claimed_limit.value:
            return True
        self._claimed_limit.was_full()
        self._drop_stuck(now_s)
        return len(self._claimed) + in_flight < self._claimed_limit.value

    def begun(self, launch_id: UUID, now_s: float) -> None:
        """Note that a pod is starting; a no-op when it is known."""
        self._began.setdefault(launch_id, now_s)

    def importing(self, now_s: float) -> list[UUID]:
        """Return the launches whose container runs and whose task was not seen to begin."""
        self._drop_stuck(now_s)
        return list(self._importing)

    def runs(self, launch_id: UUID, now_s: float) -> None:
        """Note that its base container runs; a no-op when it was not starting."""
        if launch_id in self._began:
            self._importing.setdefault(launch_id, now_s)

    def was_claimed(self, launch_id: UUID, now_s: float) -> None:
        """Note that it has a pod that ran before; a no-op when it is known."""
        if launch_id not in self._began:
            self._began[launch_id] = self._importing[launch_id] = now_s
            self._claimed.add(launch_id)

    def ended(self, launch_id: UUID, now_s: float) -> None:
        """Note that its base container ended, perhaps before its task was seen to begin."""
        if now_s - self._importing.get(launch_id, -math.inf) <= BRIEF_S:
            self.started(launch_id, now_s)
        else:
            self.left(launch_id)

    def started(self, launch_id: UUID, now_s: float) -> None:
        """Note that its task began, and learn from how long that took."""
        began_s, was_claimed = self._began.get(launch_id), launch_id in self._claimed
        self.left(launch_id)
        if began_s is not None:
            limit = self._claimed_limit if was_claimed else self._created_limit
            limit.took(began_s, now_s)

    def left(self, launch_id: UUID) -> None:
        """Note that it went or waits for something else."""
        self._began.pop(launch_id, None)
        self._importing.pop(launch_id, None)
        self._claimed.discard(launch_id)

    def _drop_stuck(self, now_s: float) -> None:
        for launch_id, began_s in list(self._began.items()):
            if now_s - began_s >= STUCK_AFTER_S:
                self.left(launch_id)
