import pytest
from doubles import (
    OURS,
    FakeKube,
    FakeWitness,
    ManualClock,
    SilentRecorder,
    manifest,
    unreachable,
)
from pods_and_rows import a_row

from tradewind import metrics
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.janitor.evidence import Node
from tradewind.janitor.inquiry import Inquiry
from tradewind.janitor.policy import Reason, Removal, Rules
from tradewind.janitor.sweep import Limits, Outcome, Sweep
from tradewind.pods import labels
from tradewind.testing.builders import base_ended
from tradewind.testing.recorded_metrics import RecordedMetrics

LATER_S = 2_000.0
"""Longer than any grace of the rules."""


class Rig:
    def __init__(self, *pods, rules=None, limits=None):
        self.kube = FakeKube(*pods)
        self.witness = FakeWitness()
        self.clock = ManualClock()
        self.recorder = SilentRecorder()
        self.metrics = RecordedMetrics()
        self.leads = True
        self.inquiry = Inquiry(self.witness, monotonic_s=self.clock.now_s)
        self.sweep = Sweep(
            kube=self.kube,
            inquiry=self.inquiry,
            rules=rules or Rules(installation=OURS),
            recorder=self.recorder,
            clock=self.clock,
            measured=self.metrics,
            may_write=lambda: self.leads,
            limits=limits or Limits(dry_run=False, reads_nodes=True),
        )

    def over(self, pod, state="failed"):
        """Let Airflow say that the pod's try is over."""
        self.witness.tell(pod, a_row(state, id=f"row-{pod.metadata.name}"))

    async def run(self):
        return await self.sweep.run(self.kube.views())

    async def settled(self):
        """Sweep, and once more when every proof has lasted; return the second report."""
        self.clock.passed_s += LATER_S
        await self.run()
        self.clock.passed_s += LATER_S
        return await self.run()

    def outcomes(self, report):
        return {found.pod.name: found.outcome for found in report.findings}


def numbered(number, **more):
    return manifest(f"pod-{number}", notes={"task_id": f"task-{number}"}, **more)


async def test_an_orphan_goes_once_its_proof_has_lasted():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    assert rig.outcomes(await rig.run()) == {"etl-load": Outcome.STAYS}
    assert not rig.kube.deleted
    rig.clock.passed_s += LATER_S
    assert rig.outcomes(await rig.run()) == {"etl-load": Outcome.DELETED}
    assert rig.kube.deleted == [("etl-load", False)]
    assert rig.recorder.gone == [("etl-load", Reason.STILL_RUNNING, "tail")]


async def test_a_healthy_pod_is_not_even_mentioned():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod, "running")
    report = await rig.settled()
    assert report.findings == []
    assert report.reasons == {Reason.IN_USE: 1}


@pytest.mark.parametrize("rounds", [1, 3])
async def test_without_airflow_nothing_goes(rounds):
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.witness.failure = unreachable()
    for _ in range(rounds):
        rig.clock.passed_s += LATER_S
        report = await rig.run()
        assert report.failure == "no answer from http://airflow"
    assert not rig.kube.deleted
    assert rig.metrics.total(metrics.JANITOR_EVIDENCE_ERRORS, kind="unreachable") == rounds


async def test_airflows_silence_takes_nothing_back():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.witness.failure = unreachable()
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.witness.failure = None
    assert rig.outcomes(await rig.run()) == {"etl-load": Outcome.DELETED}


async def test_a_try_that_lives_again_starts_its_grace_anew():
    pod = manifest()
    rig = Rig(pod)
    for state in ("failed", "running", "failed"):
        rig.over(pod, state)
        rig.clock.passed_s += LATER_S
        assert rig.outcomes(await rig.run()).get("etl-load") is not Outcome.DELETED


async def test_an_airflow_that_stops_answering_before_the_delete_keeps_the_pod():
    first, second = numbered(1), numbered(2)
    rig = Rig(first, second)
    rig.over(first)
    rig.over(second)
    answer = rig.witness.row

    async def fail(task):
        raise unreachable()

    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.clock.passed_s += LATER_S
    rig.witness.row = fail
    report = await rig.run()
    assert set(rig.outcomes(report).values()) == {Outcome.UNCONFIRMED}
    assert report.failure
    rig.witness.row = answer
    assert set(rig.outcomes(await rig.run()).values()) == {Outcome.DELETED}


async def test_a_pod_that_revived_meanwhile_stays():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.clock.passed_s += LATER_S
    known = rig.witness.rows

    async def then_cleared(asked):
        rows = await known(asked)
        rig.over(pod, "queued")
        return rows

    rig.witness.rows = then_cleared
    assert rig.outcomes(await rig.run()) == {"etl-load": Outcome.UNCONFIRMED}
    assert not rig.kube.deleted


async def test_another_pod_of_the_name_stays():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.clock.passed_s += LATER_S
    seen = rig.kube.views()
    rig.kube.change(manifest(uid="another"))
    report = await rig.sweep.run(seen)
    assert rig.outcomes(report) == {"etl-load": Outcome.CHANGED}
    assert not rig.kube.deleted


async def test_a_pod_that_changes_before_the_delete_arrives_stays():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)

    async def before(raw, verdict):
        rig.kube.change(raw)
        return ""

    rig.recorder.before = before
    assert rig.outcomes(await rig.settled()) == {"etl-load": Outcome.CHANGED}
    assert rig.kube.pods


async def test_a_pod_that_is_gone_already_is_no_failure():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.clock.passed_s += LATER_S
    await rig.run()
    rig.clock.passed_s += LATER_S
    seen = rig.kube.views()
    rig.kube.pods.clear()
    report = await rig.sweep.run(seen)
    assert (rig.outcomes(report), report.failure) == ({"etl-load": Outcome.CHANGED}, "")


async def test_a_sweep_deletes_no_more_than_its_cap_oldest_first():
    pods = [numbered(n, creationTimestamp=f"2026-01-01T00:00:0{9 - n}Z") for n in range(5)]
    rig = Rig(*pods, limits=Limits(dry_run=False, most_deletions=2))
    for pod in pods:
        rig.over(pod)
    report = await rig.settled()
    assert [name for name, _ in rig.kube.deleted] == ["pod-4", "pod-3"]
    assert report.count(Outcome.CAPPED) == 3
    assert rig.metrics.total(metrics.JANITOR_DELETIONS, reason="still-running", outcome="capped")


async def test_a_dry_run_deletes_nothing():
    pod = manifest()
    rig = Rig(pod, limits=Limits())
    rig.over(pod)
    assert rig.outcomes(await rig.settled()) == {"etl-load": Outcome.DRY_RUN}
    assert rig.kube.pods


async def test_a_janitor_on_standby_deletes_nothing():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.leads = False
    assert rig.outcomes(await rig.settled()) == {"etl-load": Outcome.STANDBY}
    assert rig.kube.pods


async def test_one_refused_delete_does_not_stop_the_others():
    pods = [numbered(n) for n in range(3)]
    rig = Rig(*pods)
    for pod in pods:
        rig.over(pod)
    rig.kube.failures = [ApiError(500, reason="InternalError", message="no")]
    report = await rig.settled()
    assert (report.count(Outcome.FAILED), report.count(Outcome.DELETED)) == (1, 2)


async def test_an_api_server_that_fails_again_and_again_is_left_alone():
    pods = [numbered(n) for n in range(6)]
    rig = Rig(*pods)
    for pod in pods:
        rig.over(pod)
    rig.kube.failures = [ConnectionLostError("reset")] * 6
    report = await rig.settled()
    assert (report.count(Outcome.FAILED), report.count(Outcome.UNCONFIRMED)) == (3, 3)
    assert "deletes fail" in report.failure


@pytest.mark.parametrize(
    ("node", "deleted"),
    [(Node.GONE, [("etl-load", True)]), (Node.PRESENT, []), (Node.UNKNOWN, [])],
)
async def test_a_stuck_pod_is_forced_off_a_lost_node_only(node, deleted):
    pod = manifest(spec={"nodeName": "n1"}, deletionTimestamp="2026-01-01T00:10:00Z")
    rig = Rig(pod)
    rig.kube.nodes["n1"] = node
    rig.over(pod)
    await rig.settled()
    assert rig.kube.deleted == deleted


async def test_our_own_clock_makes_no_pod_older():
    pod = manifest()
    rig = Rig(pod)
    rig.over(pod)
    rig.kube.clock_skew_s = 10 * LATER_S
    rig.clock.passed_s += 10 * LATER_S
    assert (await rig.run()).reasons == {Reason.FRESH: 1}


async def test_an_idle_pod_goes_only_when_somebody_says_the_executor_is_gone():
    marks = {labels.INSTALLATION: OURS, labels.POOL: "small"}
    rules = Rules(installation=OURS, removed=Removal.EXECUTOR)
    for given, expected in ((None, []), (rules, [("etl-load", False)])):
        rig = Rig(rules=given)
        rig.kube.pods["tasks", "etl-load"] = manifest(labels=marks, annotations={})
        await rig.settled()
        assert rig.kube.deleted == expected
        assert rig.witness.asked == []


async def test_the_gauge_counts_every_pod_by_its_reason():
    lives, ended = numbered(1), numbered(2, status=base_ended(0))
    rig = Rig(lives, ended)
    rig.over(lives, "running")
    rig.over(ended, "running")
    await rig.settled()
    assert rig.metrics.last(metrics.JANITOR_PODS, reason="in-use") == 2
    assert rig.metrics.last(metrics.JANITOR_PODS, reason="left-behind") == 0
