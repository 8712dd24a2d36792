"""A machine of random faults around one engine, and a model of Airflow's side of it.

Hypothesis draws the order of submissions, API faults, pod events, revocations, restarts and waits;
the model is the rows that workers and the scheduler write.
"""

import asyncio
import contextlib
import dataclasses
import random
import uuid

from enabled import has_named_pods, has_open_launches, has_pods, has_started_pods, has_waiting_pods
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from troubled_cluster import TroubledCluster

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch.engine import Engine, Orphan
from tradewind.dispatch.hooks import Hooks, PendingVerdict
from tradewind.dispatch.settle import TaskFacts, Verdict
from tradewind.pods import names
from tradewind.testing.builders import a_launch, a_task, base_ended, base_running, base_waiting
from tradewind.testing.builders import settings as executor_settings
from tradewind.testing.faulty_cluster import FaultyCluster
from tradewind.testing.virtual_time import VirtualClock, VirtualLoop

LAUNCH = "tradewind/launch-id"
NOBODY = uuid.UUID(int=0)
ADOPTABLE = {"queued", "running", "restarting"}
ERRORS = {
    "throttled": ApiError(429, retry_after_s=2.0),
    "conflict": ApiError(409, reason="Conflict"),
    "unavailable": ApiError(503),
    "server": ApiError(500, message="failed calling webhook"),
    "signed-out": ApiError(401),
    "reset": ConnectionLostError("reset"),
    "raw": OSError("reset"),
}


class FixedRenderer:
    """Renders just enough of a pod."""

    async def render(self, launch, *, ordinal):
        name = names.pod_name("d", "t", launch_id=launch.launch_id, ordinal=ordinal)
        labels = {LAUNCH: str(launch.launch_id), "tradewind/ordinal": str(ordinal)}
        namespace = launch.task.dag_id
        return {"metadata": {"name": name, "namespace": namespace, "labels": labels}, "spec": {}}


class Machine(TroubledCluster, RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.cluster = FaultyCluster()
        self.rows = {}
        self.launches = {}
        self.open = set()
        self.revoked = set()
        self.outcomes = {}
        self.stuck_images = set()
        self.engine = self.task = None
        self.rng = random.Random(1)
        self.surprises = []
        self.loop.set_exception_handler(lambda _, context: self.surprises.append(context))

    # -- Airflow's side --------------------------------------------------------------------------

    def start(self):
        self.engine = Engine(
            self.cluster,
            settings=executor_settings(**self.options()),
            renderer=self.renderer(),
            read_facts=lambda ids: {i: self.rows[i] for i in ids},
            emit=self.emit,
            clock=VirtualClock(),
            hooks=Hooks(judge_pending=self.judge, read_strays=self.read_strays, rng=self.rng),
        )
        self.task = self.loop.create_task(self.engine.run())
        self.run(0.1)

    def options(self):
        return {
            "multi_namespace_mode": "True",
            "create_concurrency": "3",
            "max_pending_pods": "6",
        }

    def renderer(self):
        return FixedRenderer()

    def emit(self, outcome):
        try:
            self.take(outcome)
        except AssertionError as error:
            # Raised here, it would only be logged by the loop, which survives its handlers.
            self.surprises.append(error)
            raise

    def take(self, outcome):
        launch_id = outcome.launch_id
        self.outcomes.setdefault(launch_id, []).append(outcome)
        row_id = self.launches[launch_id].row_id
        row = self.rows[row_id]
        if outcome.verdict is Verdict.SUCCESS:
            assert row.state == "success", f"success was reported of a {row.state} task"
        elif outcome.verdict is Verdict.FAILED:
            assert row.launch_id == launch_id, "another launch's task was failed"
            assert row.state in {"queued", "running"}, f"a {row.state} task was failed"
            started = self.started(launch_id)
            assert not started, f"failed while {started} runs: {outcome.reason}"
            self.rows[row_id] = TaskFacts(state="up_for_retry", launch_id=launch_id)
        elif outcome.verdict is Verdict.REQUEUE:
            assert row.state == "queued"
            self.rows[row_id] = TaskFacts(state="scheduled", launch_id=launch_id)
        self.open.discard(launch_id)

    def judge(self, pod, pending_for_s):
        if pod.metadata.name in self.stuck_images and pending_for_s >= 20:
            return PendingVerdict(action="relaunch", kind="image", sentence="no image")
        return PendingVerdict(action="wait")

    def read_strays(self, strays):
        known = (s.launch_id for s in strays if s.launch_id in self.launches)
        return {launch_id: self.rows[self.launches[launch_id].row_id] for launch_id in known}

    def run(self, seconds):
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def do(self, coroutine):
        self.loop.run_until_complete(coroutine)
        self.run(0.05)

    def tell(self, command, argument):
        """Hand a command over, as the bridge does."""
        self.loop.call_soon(command, argument)
        self.run(0.05)

    def hand_in(self, launch):
        self.tell(self.engine.submit, launch)

    def follower(self, launch_id):
        """Return the engine that has the launch."""
        return self.engine

    def pods(self, *, started=None):
        """Return (namespace, name, launch id) of pods alive, oldest first."""
        found = []
        for (namespace, name), pod in self.cluster._pods.items():
            launch_id = uuid.UUID(pod["metadata"]["labels"].get(LAUNCH) or str(NOBODY))
            if self.cluster._pod_has_ended(namespace, name) or launch_id not in self.launches:
                continue
            running = pod["status"].get("phase") == "Running"
            if started is None or running is started:
                found.append((namespace, name, launch_id))
        return found

    def started(self, launch_id):
        return [name for _, name, owner in self.pods(started=True) if owner == launch_id]

    def pick(self, data, pods):
        return data.draw(st.sampled_from(pods), label="pod")

    def state_of(self, launch_id, state):
        """Write the row as the worker does: only while the launch owns it."""
        row_id = self.launches[launch_id].row_id
        if self.rows[row_id].launch_id == launch_id:
            self.rows[row_id] = dataclasses.replace(self.rows[row_id], state=state)

    @initialize()
    def begin(self):
        self.start()

    # -- rules -----------------------------------------------------------------------------------

    @rule(priority=st.integers(0, 3), namespace=st.sampled_from(["a", "b"]))
    def submit(self, priority, namespace):
        number = len(self.launches) + 1
        launch = a_launch(
            launch_id=uuid.UUID(int=number),
            row_id=uuid.UUID(int=number << 64),
            priority=priority,
            task=a_task(dag_id=namespace),
        )
        self.launches[launch.launch_id] = launch
        self.rows[launch.row_id] = TaskFacts(state="queued", launch_id=launch.launch_id)
        self.open.add(launch.launch_id)
        self.hand_in(launch)

    @rule(
        verb=st.sampled_from(["create", "create", "delete", "get", "list", "watch"]),
        error=st.sampled_from(sorted(ERRORS)),
        takes_effect=st.booleans(),
    )
    def plan_an_error(self, verb, error, takes_effect):
        lost = takes_effect and verb in {"create", "delete"}
        self.cluster.fail(verb, ERRORS[error], takes_effect=lost)

    @precondition(has_waiting_pods)
    @rule(data=st.data())
    def a_pod_starts(self, data):
        namespace, name, launch_id = self.pick(data, self.pods(started=False))
        row = self.rows[self.launches[launch_id].row_id]
        if row.launch_id == launch_id and row.state == "queued":
            self.state_of(launch_id, "running")
            self.do(self.cluster.set_status(namespace, name, base_running()))
        else:
            # /run refuses it.
            self.do(self.cluster.set_status(namespace, name, base_ended(1)))

    @precondition(has_waiting_pods)
    @rule(data=st.data())
    def a_pod_cannot_start(self, data):
        namespace, name, _ = self.pick(data, self.pods(started=False))
        self.stuck_images.add(name)
        self.do(self.cluster.set_status(namespace, name, base_waiting("ImagePullBackOff")))

    @precondition(has_started_pods)
    @rule(data=st.data(), state=st.sampled_from(["success", "failed", "deferred", "up_for_retry"]))
    def a_task_ends(self, data, state):
        namespace, name, launch_id = self.pick(data, self.pods(started=True))
        self.state_of(launch_id, state)
        self.do(self.cluster.set_status(namespace, name, base_ended(0)))

    @precondition(has_pods)
    @rule(data=st.data())
    def a_pod_crashes(self, data):
        namespace, name, _ = self.pick(data, self.pods())
        self.do(self.cluster.set_status(namespace, name, base_ended(137)))

    @precondition(has_named_pods)
    @rule(data=st.data(), silently=st.booleans())
    def a_pod_vanishes(self, data, silently):
        namespace, name = self.pick(data, list(self.cluster._pods))
        if silently:
            self.cluster.vanish_silently(namespace, name)
            self.cluster.compact()
            self.do(self.cluster.interrupt_watches())
        else:
            self.do(self.cluster.vanish(namespace, name))

    @precondition(has_open_launches)
    @rule(data=st.data())
    def revoke(self, data):
        launch_id = data.draw(st.sampled_from(sorted(self.open)), label="launch")
        row_id = self.launches[launch_id].row_id
        self.rows[row_id] = TaskFacts(state="scheduled", launch_id=None)
        self.open.discard(launch_id)
        self.revoked.add(launch_id)
        self.tell(self.follower(launch_id).revoke, launch_id)

    @precondition(has_started_pods)
    @rule(data=st.data())
    def a_task_is_deferred_and_resumed_before_its_pod_ends(self, data):
        namespace, name, launch_id = self.pick(data, self.pods(started=True))
        row_id = self.launches[launch_id].row_id
        if self.rows[row_id] != TaskFacts(state="running", launch_id=launch_id):
            return
        resumed = a_launch(
            launch_id=uuid.UUID(int=len(self.launches) + 1),
            row_id=row_id,
            task=a_task(dag_id=namespace),
        )
        self.launches[resumed.launch_id] = resumed
        self.rows[row_id] = TaskFacts(state="queued", launch_id=resumed.launch_id)
        self.open.add(resumed.launch_id)
        self.hand_in(resumed)
        self.do(self.cluster.set_status(namespace, name, base_ended(0)))

    @precondition(has_waiting_pods)
    @rule(data=st.data())
    def a_pod_is_replaced_while_deletions_take_long(self, data):
        namespace, name, _ = self.pick(data, self.pods(started=False))
        self.stuck_images.add(name)
        self.cluster.deletes_slowly = True
        self.do(self.cluster.set_status(namespace, name, base_waiting("ImagePullBackOff")))
        self.run(60)

    @rule()
    def revoke_while_a_create_hangs(self):
        self.cluster.after_create = asyncio.Event()
        self.submit(3, "b")
        launch_id = max(self.launches)
        self.rows[self.launches[launch_id].row_id] = TaskFacts(state="scheduled", launch_id=None)
        self.open.discard(launch_id)
        self.revoked.add(launch_id)
        self.tell(self.follower(launch_id).revoke, launch_id)
        self.cluster.after_create.set()
        self.cluster.after_create = None
        self.run(0.05)

    @rule()
    def restart(self):
        self.stop()
        self.start()
        self.inherit(self.engine, sorted(self.open))

    def inherit(self, engine, launch_ids):
        """Offer the launches of an engine that died, as Airflow does: those its rows still show."""
        offered = [
            Orphan(key="k", launch_id=launch.launch_id, row_id=launch.row_id, task=launch.task)
            for launch in (self.launches[launch_id] for launch_id in launch_ids)
            if self.rows[launch.row_id].state in ADOPTABLE
            and self.rows[launch.row_id].launch_id == launch.launch_id
        ]
        refused = self.loop.run_until_complete(engine.adopt(offered))
        self.open -= set(launch_ids) - {orphan.launch_id for orphan in offered}
        for orphan in refused:
            # The scheduler resets it.
            self.rows[orphan.row_id] = TaskFacts(state=None, launch_id=None)
            self.open.discard(orphan.launch_id)
        self.run(0.05)

    @rule(seconds=st.sampled_from([0.3, 2.0, 20.0, 90.0, 700.0]))
    def wait(self, seconds):
        self.run(seconds)

    # -- claims ----------------------------------------------------------------------------------

    @invariant()
    def at_most_one_live_pod_per_launch(self):
        assert max(self.cluster.most_alive.values(), default=0) <= 1, self.cluster.most_alive

    @invariant()
    def at_most_one_outcome_per_launch_and_none_of_a_revoked_one(self):
        for launch_id, outcomes in self.outcomes.items():
            assert len(outcomes) == 1, outcomes
            assert launch_id not in self.revoked

    @invariant()
    def the_loop_lives(self):
        assert self.task is None or not self.task.done()
        assert not self.surprises, self.surprises

    def teardown(self):
        try:
            if self.task is not None:
                self.heal_and_drain()
        finally:
            self.stop_all()
            self.loop.close()

    def heal_and_drain(self):
        """Claim that everything comes to its end once the faults are over."""
        self.cluster.come_back()
        self.cluster._plans.clear()
        self.cluster.pod_quota.clear()
        self.cluster.create_takes_s, self.cluster.deletes_slowly = 0.0, False
        self.hear_again()
        for _ in range(60):
            self.run(30)
            if not self.open and not self.cluster.names():
                break
            for (namespace, name), pod in list(self.cluster._pods.items()):
                # The kubelet takes its time, but it takes every pod away, ended ones too.
                if "deletionTimestamp" in pod["metadata"]:
                    self.do(self.cluster.finish_deletion(namespace, name))
            for namespace, name, launch_id in self.pods():
                self.state_of(launch_id, "success")
                self.do(self.cluster.set_status(namespace, name, base_ended(0)))
        self.run(1800)
        note(str(self.engine.stats()))
        assert not self.surprises, self.surprises
        assert not self.open, [self.rows[self.launches[i].row_id] for i in self.open]
        assert not self.pods(), "a pod was left alive"
        assert not self.succeeded(), "a pod that ended well was left"
        self.claim_idleness(self.engine)

    def claim_idleness(self, engine):
        stats = engine.stats()
        waiting = stats.waiting + stats.parked + stats.creating + stats.settling + stats.trusted
        assert waiting + stats.pending + stats.starting + stats.running == 0, stats

    def succeeded(self):
        """Return pods whose end calls for their deletion."""
        return [
            name
            for (_, name), pod in self.cluster._pods.items()
            if pod["status"].get("phase") == "Succeeded"
        ]

    def stop_all(self):
        self.stop()

    def stop(self):
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self.loop.run_until_complete(self.task)
            self.task = None
