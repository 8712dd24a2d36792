"""Each invariant catches a history that violates it, and nothing else does."""

import pytest
from a_history import BEGAN_S, Story
from checker import INVARIANTS, Violation, check
from history import History
from plan import Play, Rule


def violated(story):
    return {violation.invariant for violation in check(story.told())}


def test_a_history_in_which_all_went_well_violates_nothing():
    assert check(Story().told()) == []


def test_a_task_that_fails_by_its_own_code_and_succeeds_next_violates_nothing():
    story = Story(tasks=1)
    story.drop("database", "row")
    story.drop("worker")
    story.runs(0, state="failed")
    story.runs(0, try_number=2, from_s=5)
    assert check(story.told()) == []


def stays_queued(story):
    story.add(90, "run", "later")
    story.records = [r for r in story.records if r["kind"] != "over"]
    story.row(20, 1, "queued", launch_id="again")
    story.add(200, "run", "over")


def never_ends(story):
    story.row(6, 1, "running")


def is_lost(story):
    story.records = [r for r in story.records if r.get("map_index") != 1]


def starts_twice(story):
    story.mark(5, 1, "start")


def starts_twice_under_two_launches(story):
    story.mark(5, 1, "start", launch_id="other")


def fails_falsely(story):
    story.row(6, 1, "failed")


def is_tried_again_while_its_worker_runs(story):
    story.records = [
        r for r in story.records if not (r["kind"] == "end" and r.get("map_index") == 1)
    ]
    story.runs(1, try_number=2, from_s=5)


def succeeds_untold(story):
    story.drop("worker", "end")


def leaves_a_pod(story):
    story.add(9.5, "cluster", "pods", names=["work-1-abc"])


def evicted(story, *, deleted_at_s):
    story.add(2, "audit", "call", verb="create", name="work-1-abc", code=201)
    story.mark(2.5, 1, "evicted", pod="work-1-abc")
    story.add(deleted_at_s, "audit", "call", verb="delete", name="work-1-abc", code=200)


def loses_what_people_look_into(story):
    evicted(story, deleted_at_s=10.5)


def looks_for_no_pod(story):
    story.drop("cluster")


def counts_a_running_task(story):
    story.gauge(9.5, "scheduler", 1)


def never_told_its_tasks(story):
    story.drop("executor")


def scheduler_ends(story):
    story.add(5, "program", "exited", name="scheduler", code=1)


def api_server_ends(story):
    story.add(5, "program", "exited", name="kube-apiserver", code=1)


def worker_breaks(story):
    story.mark(5, 1, "broken", pod="work-1", why="KeyError('ti')")


def proxy_breaks(story):
    story.add(5, "proxy", "broken", verb="watch", path="/api/v1/pods", why="TypeError()")


def burns_a_retry(story):
    story.records = [r for r in story.records if r.get("map_index") != 1]
    story.row(2, 1, "queued")
    story.runs(1, try_number=2, from_s=4)


def misses_heartbeats(story):
    story.add(9.5, "database", "heartbeat", job_id=1, beat_s=BEGAN_S - 2)


def has_no_heartbeat(story):
    story.drop("database", "heartbeat")


def tells_a_token(story):
    story.add(5, "log", "secret", where="the create of pods work-1")


def calls_too_often(story):
    for number in range(200):
        story.add(5, "audit", "call", verb="get", name=f"pod-{number}", code=200)


def has_no_audit(story):
    story.drop("audit")


SPOILT = [
    (stays_queued, {"I1"}),
    (never_ends, {"I1"}),
    (is_lost, {"I1"}),
    (starts_twice, {"I2"}),
    (starts_twice_under_two_launches, {"I2"}),
    (fails_falsely, {"I3"}),
    (is_tried_again_while_its_worker_runs, {"I3"}),
    (succeeds_untold, {"I3"}),
    (leaves_a_pod, {"I4"}),
    (loses_what_people_look_into, {"I4"}),
    (looks_for_no_pod, {"I4"}),
    (counts_a_running_task, {"I5"}),
    (never_told_its_tasks, {"I5"}),
    (scheduler_ends, {"I6"}),
    (api_server_ends, {"played"}),
    (worker_breaks, {"played"}),
    (proxy_breaks, {"played"}),
    (burns_a_retry, {"I7"}),
    (misses_heartbeats, {"I8"}),
    (has_no_heartbeat, {"I8"}),
    (tells_a_token, {"I9"}),
    (calls_too_often, {"I10"}),
    (has_no_audit, {"I10"}),
]


@pytest.mark.parametrize(
    ("spoil", "caught_by"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT]
)
def test_what_went_wrong_is_caught_by_its_invariant_alone(spoil, caught_by):
    story = Story()
    spoil(story)
    assert violated(story) == caught_by


def test_every_invariant_has_a_history_that_violates_it():
    assert set().union(*(caught_by for _, caught_by in SPOILT)) == set(INVARIANTS)


def test_a_launch_may_wait_for_as_long_as_faults_last():
    story = Story(tasks=1)
    story.drop("run", "healed", "over")
    story.drop("database", "row")
    story.row(2, 0, "queued")
    story.row(130, 0, "running")
    story.row(131, 0, "success")
    story.add(100, "run", "healed")
    story.add(140, "run", "over")
    assert violated(story) == set()
    story.drop("run", "healed", "over")
    story.add(60, "run", "healed")
    story.add(140, "run", "over")
    assert violated(story) == {"I1"}


def test_airflow_may_fall_with_its_database_and_at_no_other_time():
    story = Story(blows=[("postgres", 3, 2)])
    story.add(6, "program", "exited", name="scheduler", code=1)
    assert violated(story) == set()
    story.add(3 + 2 + 31, "program", "exited", name="scheduler", code=1)
    assert violated(story) == {"I6"}


def test_an_evicted_pod_may_stay_for_its_time():
    story = Story()
    evicted(story, deleted_at_s=11.5)
    assert violated(story) == set()


LOST_CREATES = Rule(fault="lose_reply", verbs=("create",), share=0.1)
UNPLAYED = [
    ({"rules": (LOST_CREATES,)}, "rule 0 (lose_reply of create) hit nothing"),
    ({"play": Play(deleted_pending=0.1)}, "no pod was deleted"),
    ({"play": Play(evicted_pending=0.1)}, "no pod was evicted"),
    ({"play": Play(fails=0.1)}, "no task failed by its own code"),
]


@pytest.mark.parametrize(("plan", "told"), UNPLAYED, ids=[told for _, told in UNPLAYED])
def test_a_script_that_did_not_come_true_fails(plan, told):
    assert check(Story(**plan).told()) == [Violation("played", told)]


def test_a_blow_that_struck_nobody_fails():
    story = Story(blows=[("etcd", 3, 2)])
    assert check(story.told()) == []
    story.drop("program")
    assert check(story.told()) == [Violation("played", "etcd was hit 0 times instead of 1")]


def test_a_rule_that_hit_a_call_was_played():
    story = Story(rules=(LOST_CREATES,))
    story.add(5, "proxy", "call", verb="create", fault="lose_reply", rule=0)
    assert check(story.told()) == []


def test_each_of_two_executors_has_to_count_nothing():
    story = Story(schedulers=2)
    assert violated(story) == set()
    story.gauge(9.5, "other-scheduler", 3)
    assert violated(story) == {"I5"}


def test_a_history_without_its_marks_of_time_is_no_history():
    with pytest.raises(ValueError, match="'healed': it is not complete"):
        check(History([{"at_s": 0.0, "source": "run", "kind": "begin", "script": {}}]))
