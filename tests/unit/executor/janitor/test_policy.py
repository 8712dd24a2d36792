import pytest
from pods_and_rows import (
    NOW_S,
    RULES,
    a_view,
    ended_view,
    idle_view,
    leaving_view,
    proof,
)

from tradewind.janitor import policy
from tradewind.janitor.evidence import UNKNOWN, Node, Standing
from tradewind.janitor.policy import Action, Reason, Removal, Rules, judge
from tradewind.janitor.view import Stage

FAILED = Stage.FAILED
PENDING = Stage.PENDING
OVER = (Standing.FINISHED, Standing.SUPERSEDED, Standing.GONE)


def decided(pod, evidence, **rules):
    changed = {"installation": RULES.installation} | rules
    verdict = judge(pod, evidence, now_s=NOW_S, rules=Rules(**changed))
    return verdict.action, verdict.reason


@pytest.mark.parametrize("standing", OVER)
@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        pytest.param(ended_view(), Reason.LEFT_BEHIND, id="succeeded, nobody saw it"),
        pytest.param(ended_view(FAILED), Reason.LEFT_BEHIND, id="failed"),
        pytest.param(ended_view(phase="Running"), Reason.SIDECAR, id="sidecar holds"),
        pytest.param(ended_view(FAILED, phase="Running"), Reason.SIDECAR, id="sidecar, failed"),
        pytest.param(
            a_view(stage=PENDING, phase="Pending"), Reason.NEVER_STARTED, id="image pull back-off"
        ),
        pytest.param(a_view(), Reason.STILL_RUNNING, id="runs on, cut off from Airflow"),
        pytest.param(a_view(phase="Unknown"), Reason.PHASE_UNKNOWN, id="phase unknown, ran"),
        pytest.param(
            a_view(stage=PENDING, phase="Unknown"), Reason.PHASE_UNKNOWN, id="phase unknown"
        ),
        pytest.param(a_view(pool="default"), Reason.STILL_RUNNING, id="claimed from a pool"),
        pytest.param(a_view(row_id=""), Reason.STILL_RUNNING, id="without a row's id"),
    ],
)
def test_a_pod_whose_try_is_over_goes(pod, reason, standing):
    assert decided(pod, proof(standing)) == (Action.DELETE, reason)


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_view(), id="running"),
        pytest.param(a_view(stage=PENDING, phase="Pending"), id="pending"),
        pytest.param(ended_view(), id="ended, its scheduler has yet to see it"),
        pytest.param(ended_view(FAILED), id="failed, its scheduler has yet to see it"),
        pytest.param(ended_view(phase="Running"), id="sidecar"),
        pytest.param(a_view(phase="Unknown"), id="phase unknown"),
        pytest.param(leaving_view(), id="stuck"),
    ],
)
@pytest.mark.parametrize("age_s", [0.0, 10_000_000.0])
def test_no_age_condemns_a_pod_whose_try_lives_or_is_unknown(pod, age_s):
    for evidence in (UNKNOWN, proof(Standing.LIVE), proof(Standing.UNKNOWN)):
        verdict = judge(pod, evidence, now_s=NOW_S + age_s, rules=RULES)
        assert not verdict.deletes


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        pytest.param(a_view(installation="another"), Reason.FOREIGN, id="another installation"),
        pytest.param(a_view(installation=""), Reason.FOREIGN, id="no installation"),
        pytest.param(a_view(launch_id=""), Reason.FOREIGN, id="no launch"),
        pytest.param(a_view(is_operators=True), Reason.OPERATOR_OWNED, id="KubernetesPodOperator"),
        pytest.param(a_view(owner="Job"), Reason.OPERATOR_OWNED, id="owned by a Job"),
        pytest.param(a_view(is_kept=True), Reason.KEPT, id="keep annotation"),
        pytest.param(a_view(launched_s=NOW_S - 299), Reason.FRESH, id="fresh"),
        pytest.param(a_view(launched_s=NOW_S + 600), Reason.FRESH, id="from the future"),
        pytest.param(a_view(launched_s=None), Reason.FRESH, id="no time of creation"),
        pytest.param(leaving_view(overdue_s=299), Reason.LEAVING, id="was asked to go"),
        pytest.param(leaving_view(overdue_s=-30), Reason.LEAVING, id="within its grace"),
    ],
)
@pytest.mark.parametrize("standing", OVER)
def test_some_pods_stay_whatever_airflow_says(pod, reason, standing):
    assert decided(pod, proof(standing, node=Node.GONE)) == (Action.KEEP, reason)


@pytest.mark.parametrize("standing", OVER)
def test_an_airflow_that_no_pod_vouches_for_is_not_believed(standing):
    assert decided(a_view(), proof(standing, trusted=False)) == (Action.KEEP, Reason.UNTRUSTED)


@pytest.mark.parametrize(
    ("pod", "grace_s"),
    [
        pytest.param(ended_view(), RULES.ended_grace_s, id="ended"),
        pytest.param(ended_view(phase="Running"), RULES.ended_grace_s, id="sidecar"),
        pytest.param(a_view(stage=PENDING), RULES.pending_grace_s, id="pending"),
        pytest.param(a_view(), RULES.running_grace_s, id="running, still uploads its log"),
        pytest.param(a_view(phase="Unknown"), RULES.running_grace_s, id="phase unknown"),
    ],
)
def test_a_proof_has_to_last_before_a_pod_goes(pod, grace_s):
    early = judge(pod, proof(seen_s=grace_s - 1), now_s=NOW_S, rules=RULES)
    assert (early.action, early.due_in_s) == (Action.WAIT, 1.0)
    assert judge(pod, proof(seen_s=grace_s), now_s=NOW_S, rules=RULES).action is Action.DELETE


KEPT = (Action.KEEP, Reason.KEPT_FOR_USERS)
TOO_LONG = (Action.DELETE, Reason.KEPT_TOO_LONG)


@pytest.mark.parametrize(
    ("pod", "rules", "expected"),
    [
        pytest.param(ended_view(FAILED), {"keeps_failed": True}, KEPT, id="failed"),
        pytest.param(ended_view(FAILED), {"keeps_ended": True}, KEPT, id="all, failed"),
        pytest.param(ended_view(), {"keeps_ended": True}, KEPT, id="all, succeeded"),
        pytest.param(
            ended_view(),
            {"keeps_failed": True},
            (Action.DELETE, Reason.LEFT_BEHIND),
            id="succeeded where only failed ones are kept",
        ),
        pytest.param(
            ended_view(FAILED, ended_s=NOW_S - 3_601),
            {"keeps_failed": True, "kept_ttl_s": 3_600.0},
            TOO_LONG,
            id="past its time",
        ),
        pytest.param(
            ended_view(FAILED, ended_s=None),
            {"keeps_failed": True, "kept_ttl_s": 3_600.0},
            TOO_LONG,
            id="no time of its end: since the proof",
        ),
        pytest.param(
            ended_view(FAILED, ended_s=0.0),
            {"keeps_failed": True, "kept_ttl_s": 0.0},
            KEPT,
            id="for ever",
        ),
    ],
)
def test_pods_that_users_look_at_stay_for_their_time(pod, rules, expected):
    assert decided(pod, proof(), **rules) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param(Node.GONE, (Action.FORCE, Reason.NODE_LOST), id="gone"),
        pytest.param(Node.OUT_OF_SERVICE, (Action.FORCE, Reason.NODE_LOST), id="out of service"),
        pytest.param(Node.PRESENT, (Action.REPORT, Reason.STUCK), id="there, or back again"),
        pytest.param(Node.UNKNOWN, (Action.REPORT, Reason.STUCK), id="may not be asked"),
    ],
)
def test_only_a_lost_node_lets_a_stuck_pod_be_forced(node, expected):
    assert decided(leaving_view(), proof(node=node)) == expected


@pytest.mark.parametrize("standing", [Standing.LIVE, Standing.UNKNOWN])
def test_a_lost_node_is_no_proof_that_the_try_is_over(standing):
    verdict = judge(leaving_view(), proof(standing, node=Node.GONE), now_s=NOW_S, rules=RULES)
    assert verdict.action is Action.KEEP


def test_foreign_finalizers_are_named_and_never_removed():
    pod = leaving_view(finalizers=("example.com/a", "example.com/b"))
    verdict = judge(pod, proof(node=Node.GONE), now_s=NOW_S, rules=RULES)
    assert (verdict.action, verdict.reason) == (Action.REPORT, Reason.FINALIZER)
    assert "example.com/a, example.com/b" in verdict.sentence


@pytest.mark.parametrize(
    ("removed", "pod", "expected"),
    [
        pytest.param(
            Removal.NOTHING, idle_view(), (Action.KEEP, Reason.IDLE), id="idle, executor lives"
        ),
        pytest.param(
            Removal.EXECUTOR,
            idle_view(),
            (Action.DELETE, Reason.EXECUTOR_REMOVED),
            id="idle, executor removed",
        ),
        pytest.param(
            Removal.EXECUTOR, a_view(), (Action.KEEP, Reason.NO_EVIDENCE), id="task, Airflow lives"
        ),
        pytest.param(
            Removal.INSTALLATION,
            a_view(),
            (Action.DELETE, Reason.EXECUTOR_REMOVED),
            id="task, Airflow removed",
        ),
        pytest.param(
            Removal.INSTALLATION,
            idle_view(),
            (Action.DELETE, Reason.EXECUTOR_REMOVED),
            id="idle, Airflow removed",
        ),
        pytest.param(
            Removal.INSTALLATION,
            a_view(runs_task=False, task=None),
            (Action.DELETE, Reason.EXECUTOR_REMOVED),
            id="callback, Airflow removed",
        ),
        pytest.param(
            Removal.INSTALLATION,
            a_view(launched_s=NOW_S - 10),
            (Action.KEEP, Reason.FRESH),
            id="fresh, so somebody still launches",
        ),
        pytest.param(
            Removal.INSTALLATION,
            a_view(installation="another"),
            (Action.KEEP, Reason.FOREIGN),
            id="another Airflow's",
        ),
        pytest.param(
            Removal.INSTALLATION, a_view(is_kept=True), (Action.KEEP, Reason.KEPT), id="kept"
        ),
    ],
)
def test_what_was_removed_leaves_orphans(removed, pod, expected):
    assert decided(pod, UNKNOWN, removed=removed) == expected


def test_a_removed_installation_needs_no_airflow_to_force_a_pod_off_a_lost_node():
    verdict = decided(
        leaving_view(), proof(Standing.UNKNOWN, node=Node.GONE), removed=Removal.INSTALLATION
    )
    assert verdict == (Action.FORCE, Reason.NODE_LOST)


def test_every_verdict_says_why():
    for pod in (a_view(), ended_view(), idle_view(), leaving_view(), a_view(is_kept=True)):
        for standing in Standing:
            for node in Node:
                verdict = judge(pod, proof(standing, node=node), now_s=NOW_S, rules=RULES)
                assert verdict.sentence


def test_the_defaults_stay_clear_of_the_executors_own_times():
    from tradewind.dispatch import strays  # noqa: PLC0415 - only to compare

    rules = policy.Rules()
    assert rules.ended_grace_s > strays.ENDED_GRACE_S
    assert rules.running_grace_s > strays.RUNNING_GRACE_S
