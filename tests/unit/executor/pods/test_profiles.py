import json

import pytest

from tradewind.errors import ConfigError
from tradewind.pods import memory, profiles
from tradewind.pods.profiles import Choice, Queue
from tradewind.pods.shaping import Shaping
from tradewind.testing.builders import settings

SMALL = {"resources": {"requests": {"memory": "512Mi"}}}
GPU = {
    "image": "gpu:1",
    "resources": {"limits": {"nvidia.com/gpu": 1}},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "pod": {"metadata": {"labels": {"kind": "gpu"}}},
}


def shaping(**changed):
    options = {"profiles": {"small": SMALL, "gpu": GPU}, "queues": {}, "priority_classes": {}}
    return Shaping(settings(**{name: json.dumps(v) for name, v in (options | changed).items()}))


def layers(shape):
    return list(shape.layers)


def test_a_profile_is_a_pod_in_short():
    pod = profiles.parse_profiles({"gpu": GPU}, "x")["gpu"]
    assert pod == {
        "metadata": {"labels": {"kind": "gpu"}},
        "spec": {
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "containers": [
                {
                    "name": "base",
                    "image": "gpu:1",
                    "resources": {"limits": {"nvidia.com/gpu": "1"}},
                }
            ],
        },
    }


def test_a_task_chooses_a_profile_by_name():
    shape = shaping().of(queue="default", priority=1, said={"profile": "small"})
    (layer,) = layers(shape)
    assert layer["spec"]["containers"][0]["resources"] == {"requests": {"memory": "512Mi"}}


def test_a_queue_chooses_profile_namespace_and_template():
    queues = {"big": {"profile": "gpu", "namespace": "heavy", "pod_template_file": "/t.yaml"}}
    shape = shaping(queues=queues).of(queue="big", priority=1, said=None)
    assert shape.queue == Queue(profile="gpu", namespace="heavy", pod_template_file="/t.yaml")
    assert layers(shape)[0]["metadata"]["labels"] == {"kind": "gpu"}


def test_the_tasks_own_choice_beats_its_queues():
    queues = {"big": {"profile": "gpu"}}
    shape = shaping(queues=queues).of(queue="big", priority=1, said={"profile": "small"})
    assert "metadata" not in layers(shape)[0]


def test_a_task_may_give_its_resources_as_a_dict():
    said = {"profile": "small", "resources": {"limits": {"cpu": 2}}}
    *_, last = layers(shaping().of(queue="", priority=1, said=said))
    assert last == profiles.in_base(resources={"limits": {"cpu": "2"}})


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        pytest.param(-1, [], id="below-every-band"),
        pytest.param(0, ["batch"], id="on-the-edge"),
        pytest.param(99, ["batch"], id="inside"),
        pytest.param(1000, ["urgent"], id="highest"),
    ],
)
def test_priority_chooses_a_priority_class(priority, expected):
    bands = {"100": "urgent", "0": "batch"}
    shape = shaping(priority_classes=bands).of(queue="", priority=priority, said=None)
    assert [layer["spec"]["priorityClassName"] for layer in layers(shape)] == expected


def test_a_profile_comes_after_the_priority_class():
    shape = shaping(priority_classes={"0": "batch"}).of(
        queue="", priority=1, said={"profile": "small"}
    )
    assert [list(layer["spec"]) for layer in layers(shape)] == [
        ["priorityClassName"],
        ["containers"],
    ]


def test_nothing_chosen_is_nothing_laid_on():
    shape = Shaping(settings()).of(queue="default", priority=5, said=None)
    assert layers(shape) == []
    assert shape.queue == Queue()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        pytest.param(
            {"profile": "huge"}, r"no profile 'huge': choose one of .* \(gpu, small\)", id="unknown"
        ),
        pytest.param({"profile": 3}, "profile is 3: give the name", id="no-name"),
        pytest.param({"profil": "small"}, "unknown key 'profil': known are profile", id="misspelt"),
        pytest.param("small", "is of type str: give a mapping", id="no-mapping"),
        pytest.param({"resources": "big"}, "resources is 'big': give a mapping", id="no-resources"),
        pytest.param(
            {"resources": {"cpu": "1"}}, "no field 'resources.cpu'", id="resources-without-kind"
        ),
        pytest.param(
            {"resources": {"limits": {"cpu": "lots"}}}, "limits.cpu is 'lots'", id="no-quantity"
        ),
    ],
)
def test_a_tasks_choice_that_cannot_work_is_refused(said, sentence):
    with pytest.raises(ConfigError, match=sentence):
        shaping().of(queue="", priority=1, said=said)


@pytest.mark.parametrize(
    ("option", "text", "sentence"),
    [
        pytest.param("profiles", "{", "is no JSON .* give a JSON object", id="no-json"),
        pytest.param("profiles", "profiles.yaml", "absolute path of a YAML file", id="relative"),
        pytest.param("profiles", "/none.yaml", "cannot read the file of .* profiles", id="missing"),
        pytest.param("profiles", "[]", "is of type list", id="a-list"),
        pytest.param("profiles", '{"a": 1}', "profile 'a' is of type int", id="no-profile"),
        pytest.param("profiles", '{"a": {"cpu": 1}}', "unknown key 'cpu'", id="unknown-key"),
        pytest.param(
            "profiles", '{"a": {"tolerations": {}}}', "spec.tolerations is {}", id="wrong-type"
        ),
        pytest.param(
            "profiles", '{"a": {"pod": {"spce": {}}}}', "did you mean 'spec'", id="wrong-pod"
        ),
        pytest.param(
            "profiles",
            '{"a": {"pod": {"spec": {"containers": [{"name": "base", "args": ["x"]}]}}}}',
            "args of 'base' are the worker's",
            id="args",
        ),
        pytest.param("queues", '{"q": {"profil": "a"}}', "unknown key 'profil'", id="queue-key"),
        pytest.param("queues", '{"q": {"profile": 1}}', "profile is 1: give text", id="queue-type"),
        pytest.param("queues", '{"q": {"profile": "a"}}', "names the profile 'a'", id="queue"),
        pytest.param(
            "queues",
            '{"q": {"namespace": "b"}}',
            "queue 'q', names the namespace 'b', which is not watched: choose one of default",
            id="queue-namespace",
        ),
        pytest.param("priority_classes", '{"high": "a"}', "has the key 'high'", id="no-weight"),
        pytest.param("oom_memory_factor", "2", "oom_memory_cap is '': write the most", id="no-cap"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(option, text, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Shaping(settings(**{option: text})).check()


def test_settings_may_stand_in_a_file_that_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "profiles.yaml"
    path.write_text("small: {priorityClassName: a}")
    shaped = Shaping(settings(profiles=str(path)))
    shaped.check()
    said = {"profile": "small"}
    assert layers(shaped.of(queue="", priority=1, said=said))[0]["spec"] == {
        "priorityClassName": "a"
    }
    path.write_text("small: {priorityClassName: other}")
    assert layers(shaped.of(queue="", priority=1, said=said))[0]["spec"] == {
        "priorityClassName": "other"
    }


def test_an_unset_choice_is_empty():
    assert profiles.choice_from(None) == Choice()


@pytest.mark.parametrize(
    ("resources", "kills", "expected"),
    [
        pytest.param({"limits": {"memory": "1Gi"}}, 0, {"limits": {"memory": "1Gi"}}, id="none"),
        pytest.param({"limits": {"memory": "1Gi"}}, 1, {"limits": {"memory": "1536Mi"}}, id="once"),
        pytest.param(
            {"limits": {"memory": "1Gi"}}, 2, {"limits": {"memory": "2304Mi"}}, id="twice"
        ),
        pytest.param({"limits": {"memory": "1Gi"}}, 9, {"limits": {"memory": "3G"}}, id="capped"),
        pytest.param(
            {"limits": {"memory": "8Gi"}}, 1, {"limits": {"memory": "8Gi"}}, id="above-the-cap"
        ),
        pytest.param(
            {"requests": {"memory": "100M", "cpu": "1"}, "limits": {"memory": "1Gi"}},
            1,
            {"requests": {"memory": "144Mi", "cpu": "1"}, "limits": {"memory": "1536Mi"}},
            id="request-and-limit",
        ),
        pytest.param({"limits": {"cpu": "1"}}, 3, {"limits": {"cpu": "1"}}, id="no-memory"),
    ],
)
def test_memory_grows_after_each_kill_up_to_the_cap(resources, kills, expected):
    pod = {"spec": {"containers": [{"name": "proxy"}, {"name": "base", "resources": resources}]}}
    raised = memory.raise_after_oom(pod, kills=kills, factor=1.5, cap="3G")
    assert raised["spec"]["containers"] == [
        {"name": "proxy"},
        {"name": "base", "resources": expected},
    ]


def test_memory_stays_while_the_factor_is_not_set():
    pod = profiles.in_base(resources={"limits": {"memory": "1Gi"}})
    assert Shaping(settings()).raised(pod, oom_kills=3) is pod
