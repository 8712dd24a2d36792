"""What a fault script does to a run, as pure data: rules for the proxy, disturbances of programs.

Times are seconds since the script began. Nothing here draws a random number.
"""

from dataclasses import asdict, dataclass, field
from typing import Literal

Fault = Literal[
    "delay",  # the answer comes `seconds` late
    "lose_reply",  # the call takes effect, the connection is reset instead of the answer
    "reset",  # the connection is reset before the call takes effect
    "answer",  # `status` and `body` are answered, the call takes no effect
    "garble",  # the call takes effect, the body of its answer becomes `body`
    "stall",  # the call takes effect, no byte of the answer comes for `seconds`, then a reset
    "old_version",  # the resourceVersion becomes `version`
    "freeze",  # a watch holds back everything for `seconds`
    "drop",  # an event is lost; the watch is broken and expired when the rule ends
    "repeat",  # an event comes three times
    "reorder",  # an event comes after later ones
]
OF_EVENTS = frozenset({"drop", "repeat", "reorder"})
OF_WATCHES = frozenset({"old_version", "freeze"}) | OF_EVENTS
WRITES = ("create", "patch", "delete")
CALLS = (*WRITES, "get", "list")
Verb = Literal["create", "patch", "delete", "get", "list", "watch"]

Target = Literal["scheduler", "other-scheduler", "kube-apiserver", "etcd", "postgres"]
Blow = Literal["kill", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way in which the proxy misbehaves, for a while."""

    fault: Fault
    verbs: tuple[Verb, ...]
    share: float
    """Of the calls, or events, that are hit; 1 hits all."""
    from_s: float = 0.0
    until_s: float = 20.0
    seconds: float = 0.0
    status: int = 0
    body: str = ""
    retry_after_s: int = 0
    """0 sends no such header."""
    version: str = ""
    at_most: int = 0
    """How often the same verb of the same pod is hit; 0 knows no bound."""

    def __post_init__(self):
        if self.fault in OF_WATCHES and self.verbs != ("watch",):
            raise ValueError(f"{self.fault} is a fault of watches, not of {self.verbs}")
        if not 0 < self.share <= 1 or self.from_s >= self.until_s:
            raise ValueError(f"a rule that never applies: {self}")
        if (self.fault == "answer") != bool(self.status):
            raise ValueError(f"a status belongs to an answer, and only to one: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """SIGKILL, or SIGSTOP and SIGCONT, of a program; it is back after `for_s` seconds."""

    target: Target
    blow: Blow
    at_s: float
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What happens to pods on the node, beside running."""

    deleted_pending: float = 0.0
    """Share of pods that somebody deletes before their task began."""
    evicted_pending: float = 0.0
    """Share of pods that a node refuses before their task began."""
    fails: float = 0.0
    """Share of tasks whose first try fails by their own code."""
    task_s: tuple[float, float] = (0.05, 1.0)
    start_s: tuple[float, float] = (0.0, 0.5)
    """From the pod's creation to the start of its container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One run of tasks with everything that goes wrong in it."""

    name: str
    seed: str
    """Of every decision in it; with the plan it replays."""
    tasks: int
    rules: tuple[Rule, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    play: Play = field(default_factory=Play)
    schedulers: int = 1
    at_once: int = 0
    """Most tasks that Airflow has under way, so that they spread over the faults; 0: an eighth."""

    def __post_init__(self):
        until_s = {}
        for blow in sorted(self.disturbances, key=lambda blow: blow.at_s):
            if blow.at_s < until_s.get(blow.target, 0.0):
                raise ValueError(f"{blow.target} is hit while it is down: {blow}")
            if blow.target == "other-scheduler" and self.schedulers < 2:
                raise ValueError(f"there is no other scheduler to hit: {blow}")
            until_s[blow.target] = blow.at_s + blow.for_s

    @property
    def most_at_once(self):
        return self.at_once or max(4, self.tasks // 8)

    @property
    def last_fault_s(self):
        """When the last fault is over."""
        ends = [rule.until_s + rule.seconds for rule in self.rules]
        ends += [blow.at_s + blow.for_s for blow in self.disturbances]
        return max(ends, default=0.0)

    def to_json(self):
        return asdict(self)
