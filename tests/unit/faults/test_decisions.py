"""Decisions of a script come from its seed alone."""

import json
from dataclasses import replace

import pytest
from catalogue import STORIES, choose, make
from decisions import Call, Fate, Judge, subject_of
from plan import Disturbance, Play, Rule, Script

SUBJECTS = [f"work/{number}/1/0" for number in range(200)]


def a_script(*rules, **more):
    return Script(**({"name": "made-up", "seed": "7", "tasks": 1, "rules": rules} | more))


def hit(judge, *, at_s=1.0, verb="create", subjects=SUBJECTS):
    return [
        subject
        for subject in subjects
        if judge.of_call(Call(verb=verb, subject=subject), at_s=at_s) is not None
    ]


def test_the_same_seed_hits_the_same_calls_in_any_order():
    script = a_script(Rule(fault="reset", verbs=("create",), share=0.3))
    first = hit(Judge(script))
    assert 30 < len(first) < 90
    assert set(hit(Judge(script), subjects=SUBJECTS[::-1])) == set(first)
    assert hit(Judge(replace(script, seed="8"))) != first


def test_one_rule_more_changes_nothing_about_what_another_hits():
    create = Rule(fault="reset", verbs=("create",), share=0.3)
    delete = Rule(fault="reset", verbs=("delete",), share=0.5)
    assert hit(Judge(a_script(create, delete))) == hit(Judge(a_script(create)))


def test_a_repeated_call_is_judged_anew_until_the_rule_has_had_its_share():
    judge = Judge(a_script(Rule(fault="reset", verbs=("create",), share=1, at_most=2)))
    assert len(hit(judge, subjects=["one"] * 5)) == 2
    assert len(hit(judge, subjects=["other"] * 5)) == 2


@pytest.mark.parametrize(
    ("at_s", "verb", "count"),
    [(4.9, "create", 0), (5.0, "create", 3), (9.9, "create", 3), (10.0, "create", 0)]
    + [(6.0, "delete", 0), (6.0, "watch", 0)],
)
def test_a_rule_applies_to_its_verbs_in_its_time(at_s, verb, count):
    judge = Judge(a_script(Rule(fault="reset", verbs=("create",), share=1, from_s=5, until_s=10)))
    assert len(hit(judge, at_s=at_s, verb=verb, subjects=SUBJECTS[:3])) == count


def test_events_and_the_watch_that_carries_them_are_judged_apart():
    judge = Judge(a_script(Rule(fault="drop", verbs=("watch",), share=1, until_s=10)))
    assert judge.of_call(Call(verb="watch"), at_s=1) is None
    assert judge.of_event("work/1/1/0", at_s=1).fault == "drop"
    assert (judge.is_blind_at(1), judge.is_blind_at(10)) == (True, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault": "drop", "verbs": ("create",)},
        {"fault": "answer", "verbs": ("create",)},
        {"fault": "reset", "verbs": ("create",), "status": 500},
        {"fault": "reset", "verbs": ("create",), "share": 0},
        {"fault": "reset", "verbs": ("create",), "from_s": 20},
    ],
    ids=lambda wrong: ",".join(f"{name}={value}" for name, value in wrong.items()),
)
def test_a_rule_that_cannot_be_applied_is_refused(wrong):
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence is the rule itself
        Rule(**({"share": 0.5} | wrong))


@pytest.mark.parametrize("story", STORIES)
def test_every_story_does_something_and_is_the_same_for_the_same_seed(story):
    script = make(story, seed="1", tasks=10)
    assert script == make(story, seed="1", tasks=10)
    assert script.rules or script.disturbances or script.play != Play()
    assert script.last_fault_s < 60
    assert json.loads(json.dumps(script.to_json()))["name"] == story


def test_a_run_plays_each_story_once_before_any_twice():
    scripts = choose(seed="1", count=len(STORIES) + 2, tasks=10)
    names = [script.name for script in scripts]
    assert sorted(names[: len(STORIES)]) == sorted(STORIES)
    assert names[len(STORIES) :] == names[:2]
    assert scripts[0].seed != scripts[len(STORIES)].seed
    assert names != [script.name for script in choose(seed="2", count=len(names), tasks=10)]


def test_an_unknown_story_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match="'weather': choose of throttled, lost-replies"):
        make("weather", seed="1", tasks=1)


def test_the_last_fault_of_a_script_is_the_last_of_rules_and_disturbances():
    blow = Disturbance(target="etcd", blow="stop", at_s=20, for_s=5)
    rule = Rule(fault="reset", verbs=("create",), share=1, until_s=22)
    assert a_script(rule, disturbances=(blow,)).last_fault_s == 25
    assert a_script(rule).last_fault_s == 22
    assert a_script().last_fault_s == 0


def test_a_pod_is_known_by_what_it_runs():
    annotations = {"task_id": "work", "map_index": "3", "try_number": "2"}
    labels = {"tradewind/ordinal": "1"}
    assert subject_of(annotations=annotations, labels=labels) == "work/3/2/1"
    assert subject_of(annotations={}, labels={}) == "-/-/-/0"


def test_only_first_tries_fail_by_their_own_code():
    fate = Fate(a_script(play=Play(fails=1)))
    assert fate.fails(map_index=3, try_number=1)
    assert not fate.fails(map_index=3, try_number=2)
