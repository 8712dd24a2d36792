"""All gates in front of a create, asked as one. Pure: time comes in as an argument."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from uuid import UUID

from tradewind.client.models import ContainerStatus, Pod
from tradewind.dispatch.gates.breaker import Breaker
from tradewind.dispatch.gates.starts import Starts
from tradewind.dispatch.gates.window import Window
from tradewind.dispatch.publish_policy import Feedback
from tradewind.pods import labels, state
from tradewind.pods.state import PodState

_ON_ITS_WAY = frozenset({"", "PodInitializing", "ContainerCreating"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that the gates let pass."""

    began_s: float
    is_probe: bool


class Gates:
    """Window, breaker and the two caps on pods that are not at work yet."""

    def __init__(
        self,
        *,
        most_in_flight: int,
        max_pending: int,
        max_starting: int,
        breaker: Breaker,
        rng: random.Random,
    ) -> None:
        self.window = Window(most=most_in_flight, rng=rng)
        self.breaker = breaker
        self.starts = Starts(fixed=max_starting)
        self._max_pending = max_pending or math.inf
        self._pending: set[UUID] = set()

    @property
    def pending(self) -> int:
        """Pods whose base container was not started yet."""
        return len(self._pending)

    def hold_s(self, now_s: float) -> float:
        """Return 0 when one more create may begin, infinity when news must come first.

        Anything between is the time after which asking again makes sense.
        """
        in_flight = self.window.in_flight
        if len(self._pending) + in_flight >= self._max_pending:
            return math.inf
        return max(
            self.breaker.hold_s(now_s),
            self.window.hold_s(now_s),
            self.starts.hold_s(now_s, in_flight=in_flight),
        )

    def begin(self, now_s: float) -> Call:
        """Let one create pass."""
        self.window.begin()
        return Call(began_s=now_s, is_probe=self.breaker.begin())

    def cancelled(self, call: Call) -> None:
        """Note that the call was never made."""
        self.window.cancelled()
        self.breaker.cancelled(probe=call.is_probe)

    def answered(self, call: Call, now_s: float) -> None:
        """Note an answer that shows no overload."""
        self.breaker.answered()
        self.window.answered(began_s=call.began_s, now_s=now_s)

    def pushed_back(self, call: Call, now_s: float, *, pause_s: float) -> None:
        """Note an answer that asks for less."""
        self.breaker.answered()
        self.window.pushed_back(began_s=call.began_s, now_s=now_s, pause_s=pause_s)

    def unanswered(self, call: Call, now_s: float) -> None:
        """Note that no answer came."""
        self.breaker.unanswered(now_s, probe=call.is_probe)
        self.window.pushed_back(began_s=call.began_s, now_s=now_s, pause_s=0.0)

    def told(self, call: Call, said: Feedback, now_s: float) -> None:
        """Note what an error says about the API server."""
        if not said.answered:
            self.unanswered(call, now_s)
        elif said.overloaded:
            self.pushed_back(call, now_s, pause_s=said.pause_s)
        else:
            self.answered(call, now_s)

    def start_room(self) -> int:
        """Return how many more pods the nodes can feed at once, creates under way included."""
        return self.starts.limit - len(self.starts) - self.window.in_flight

    def saw(self, launch_id: UUID, pod: Pod, now_s: float, *, is_begun: bool = True) -> None:
        """Count the launch's pod by what is known of it now.

        `is_begun` is whether its task has begun if its container runs; `starts` is told later
        where that is not known yet.
        """
        match state.of(pod):
            case PodState.PENDING:
                self._pending.add(launch_id)
                if is_held_up(pod):
                    self.starts.left(launch_id)
                else:
                    self.starts.begun(launch_id, now_s)
            case PodState.RUNNING:
                self._pending.discard(launch_id)
                if is_begun:
                    self.starts.started(launch_id, now_s)
                elif labels.POOL in pod.metadata.labels:
                    self.starts.was_claimed(launch_id, now_s)
                else:
                    self.starts.runs(launch_id, now_s)
            case PodState.SUCCEEDED:
                self._pending.discard(launch_id)
                self.starts.ended(launch_id, now_s)
            case _:
                self.lost_sight(launch_id)

    def lost_sight(self, launch_id: UUID) -> None:
        """Stop counting the launch's pod."""
        self._pending.discard(launch_id)
        self.starts.left(launch_id)


def is_held_up(pod: Pod) -> bool:
    """Whether a pending pod waits for something other than the node's attention."""
    for condition in pod.status.conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return True
    statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
    return any(_waiting_for(status) not in _ON_ITS_WAY for status in statuses)


def _waiting_for(status: ContainerStatus) -> str:
    waiting = status.state.waiting
    return "" if waiting is None else waiting.reason
