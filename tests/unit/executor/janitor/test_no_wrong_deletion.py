"""A thousand random histories of pods, tasks, outages and hostile labels: no pod goes wrongly.

The world knows the truth; the janitor only sees what a real one sees, often late or not at all.
Every delete is judged at the moment it happens, and at the end nothing that is over is left.
"""

from datetime import UTC, datetime

import msgspec
import pytest
from doubles import OURS, START_S, FakeKube, FakeWitness, ManualClock, SilentRecorder, manifest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pods_and_rows import a_row

from tradewind.janitor import view
from tradewind.janitor.airflow_api import EvidenceError, place_of
from tradewind.janitor.inquiry import Inquiry
from tradewind.janitor.policy import Rules
from tradewind.janitor.sweep import Limits, Sweep
from tradewind.metrics import UNMEASURED
from tradewind.pods import labels
from tradewind.testing.builders import base_ended, base_running, base_waiting

HISTORIES = 1_000
LEAST_DELETIONS = 200
"""What all histories together delete; with fewer the claim would say little."""
LIVE = {"queued", "running", "restarting"}
RULES = Rules(installation=OURS)
LEAST_GRACE_S = min(RULES.ended_grace_s, RULES.pending_grace_s, RULES.running_grace_s)
STATUSES = (
    base_running(),
    base_ended(0),
    base_ended(1),
    base_ended(0) | {"phase": "Running"},
    base_waiting("ImagePullBackOff"),
    base_running() | {"phase": "Unknown"},
    {"phase": "Failed", "reason": "Evicted"},
    {},
)
STATES = ("queued", "running", "restarting", "deferred", "up_for_retry", "failed", "success", None)
MARKS = (
    {"annotations": {labels.KEEP: "true"}},
    {"labels": {"kubernetes_pod_operator": "True"}},
    {"labels": {labels.INSTALLATION: "another"}},
    {"annotations": {labels.CLAIMED_AT: "nan"}},
    {"annotations": {"dag_id": "../../x"}},
    {"annotations": {"try_number": "-7"}},
    {"annotations": {labels.ROW_ID: "row-of-another"}},
    {"labels": {labels.POOL: "small"}},
)
OUTAGES = ("unreachable", "failing", "unreadable", "refused")


class World(FakeKube):
    """Pods and the tasks they were launched for, and whoever would miss them."""

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.airflow, self.stranger = FakeWitness(), FakeWitness()
        self.is_asked_right = True
        self.over_since_s = {}
        self.newest = {}
        self.count = 0
        self.wrong = []
        self.deletions = 0
        self.inquiry = Inquiry(self.airflow, monotonic_s=self.clock.now_s)
        self.sweep = Sweep(
            kube=self,
            inquiry=self.inquiry,
            rules=RULES,
            recorder=SilentRecorder(),
            clock=self.clock,
            measured=UNMEASURED,
            may_write=lambda: True,
            limits=Limits(dry_run=False, most_deletions=1_000),
        )
        self.late = []
        """What a lagging watch still shows."""
        self.sudden = []
        """What happens while the janitor looks at a pod for the second time."""

    # -- what happens

    def launch(self, number):
        self.count += 1
        name = f"p{self.count}"
        created = msgspec.to_builtins(self.now())
        pod = manifest(
            name,
            notes={"task_id": f"t{number}", "try_number": str(self.count)},
            creationTimestamp=created,
        )
        self.pods["tasks", name] = pod
        self.newest[f"t{number}"] = name
        self.set_row(pod, a_row("queued", id=f"row-{name}", try_number=self.count))

    def set_row(self, pod, row):
        place = place_of(view.of(pod).task)
        self.airflow.instances.pop(place, None)
        if row is not None:
            self.airflow.instances[place] = row
        self.note_truth()

    def note_truth(self):
        """Remember since when the try of each pod is over."""
        for pod in self.pods.values():
            uid = pod.metadata.uid
            if self.lives(pod):
                self.over_since_s.pop(uid, None)
            else:
                self.over_since_s.setdefault(uid, self.clock.passed_s)

    def lives(self, pod):
        row_id = f"row-{pod.metadata.name}"
        return any(
            row.id == row_id and row.state in LIVE for row in self.airflow.instances.values()
        )

    def is_newest(self, pod):
        """Whether no later launch has the task: Airflow never goes back to an earlier try."""
        return self.newest.get(view.of(pod).task.task_id) == pod.metadata.name

    def pick(self, number):
        pods = list(self.pods.values())
        return pods[number % len(pods)] if pods else None

    def now(self):
        return datetime.fromtimestamp(START_S + self.clock.passed_s, UTC).replace(microsecond=0)

    # -- who would miss a pod

    async def get_pod(self, namespace, name):
        found = await super().get_pod(namespace, name)
        if self.sudden:
            change(self, *self.sudden.pop(), found)
        return await super().get_pod(namespace, name)

    async def delete(self, pod, *, force):
        raw = self.pods[pod.namespace, pod.name]
        await super().delete(pod, force=force)
        over_s = self.clock.passed_s - self.over_since_s.get(raw.metadata.uid, self.clock.passed_s)
        created_s = view.of(raw).launched_s - START_S
        complaints = {
            "its try lives": self.lives(raw),
            "its try was over a moment ago": over_s < LEAST_GRACE_S,
            "it is kept": labels.KEEP in raw.metadata.annotations,
            "another's": raw.metadata.labels.get(labels.INSTALLATION) != OURS,
            "an operator's": "kubernetes_pod_operator" in raw.metadata.labels,
            "it is young": self.clock.passed_s - created_s < RULES.age_floor_s - 1,
            "nobody could tell": self.is_asked_right and self.airflow.failure is not None,
        }
        self.deletions += 1
        self.wrong += [what for what, holds in complaints.items() if holds]


def happen(world, what, number):
    pod = world.pick(number)
    task = pod and view.of(pod).task
    match what:
        case "launch":
            world.launch(number % 5)
        case "pass":
            world.clock.passed_s += (5, 60, 130, 310, 700, 1_000)[number % 6]
        case "sweep":
            run(world.sweep.run(world.late or world.views()))
        case "settle":
            # Long enough for whatever is over to go.
            for _ in range(2):
                world.clock.passed_s += 1_000
                run(world.sweep.run(world.late or world.views()))
        case "outage" | "other-airflow" | "skew" | "lag" | "sudden":
            disturb(world, what, number)
        case "stranger" if task:
            row = a_row(
                STATES[number % len(STATES)], id="x", try_number=task.try_number + number % 2
            )
            world.stranger.instances[place_of(task)] = row
        case _ if pod is not None:
            change(world, what, number, pod)


def disturb(world, what, number):
    match what:
        case "outage":
            kind = OUTAGES[number % 4]
            world.airflow.failure = None if number % 3 else EvidenceError("no", kind=kind)
        case "other-airflow":
            # The address leads to another Airflow, which has DAGs and runs of the same names.
            world.is_asked_right = bool(number % 3)
            asked = world.airflow if world.is_asked_right else world.stranger
            world.inquiry._witness = asked
        case "skew":
            world.clock_skew_s = (0.0, 3_600.0, -3_600.0)[number % 3]
        case "lag":
            world.late = world.views() if number % 2 else []
        case "sudden":
            world.sudden = [("state" if number % 2 else "mark", number)]


def change(world, what, number, pod):
    metadata, task = pod.metadata, view.of(pod).task
    match what:
        case "status":
            status = STATUSES[number % len(STATUSES)] or {"phase": "Pending"}
            parsed = manifest(metadata.name, status=status).status
            world.change(msgspec.structs.replace(pod, status=parsed))
        case "mark":
            mark = MARKS[number % len(MARKS)]
            said = metadata.labels | mark.get("labels", {})
            notes = metadata.annotations | mark.get("annotations", {})
            marked = msgspec.structs.replace(metadata, labels=said, annotations=notes)
            world.change(msgspec.structs.replace(pod, metadata=marked))
            world.note_truth()
        case "over":
            change(world, "status", number, pod)
            change(world, ("failed", "clear", "delete-dag")[number % 3], number, pod)
        case "state" | "failed" if task and world.is_newest(pod):
            state = "failed" if what == "failed" else STATES[number % len(STATES)]
            row = a_row(state, id=f"row-{metadata.name}", try_number=task.try_number)
            world.set_row(pod, row)
        case "clear" if task and world.is_newest(pod):
            world.set_row(pod, a_row("queued", id="row-new", try_number=task.try_number + 1))
        case "delete-dag" if task:
            world.set_row(pod, None)


def run(coroutine):
    """Run what never has to wait."""
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    return done.value.value


WORDS = [
    *("launch", "launch", "pass", "pass", "sweep", "sweep", "settle", "settle", "settle"),
    *("over", "over", "over", "state", "status", "mark", "mark", "sudden", "clear", "delete-dag"),
    *("outage", "other-airflow", "stranger", "skew", "lag"),
]


QUIET = ["launch", "status", "state", "over", "clear", "delete-dag"]


def test_no_history_ends_with_a_wrong_deletion():
    deletions = []

    @settings(
        max_examples=HISTORIES,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 97)), min_size=8, max_size=40))
    def holds(history):
        world = World()
        world.launch(0)
        for what, number in history:
            happen(world, what, number)
        deletions.append(world.deletions)
        assert world.wrong == []

    holds()
    assert len(deletions) >= HISTORIES
    assert sum(deletions) >= LEAST_DELETIONS


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(QUIET), st.integers(0, 97)), max_size=30))
def test_once_all_is_quiet_nothing_that_is_over_is_left(history):
    world = World()
    for what, number in history:
        happen(world, what, number)
    world.launch(9)
    for _ in range(3):
        world.clock.passed_s += 1_000
        run(world.sweep.run(world.views()))
    assert world.wrong == []
    assert [pod.metadata.name for pod in world.pods.values() if not world.lives(pod)] == []
