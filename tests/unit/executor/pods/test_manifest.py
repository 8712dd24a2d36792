import copy
from uuid import UUID

import pytest

from tradewind.pods import manifest
from tradewind.pods.manifest import PodRequest
from tradewind.testing.builders import a_task

TEMPLATE = {
    "metadata": {"labels": {"team": "data"}, "annotations": {"note": "kept"}},
    "spec": {
        "restartPolicy": "OnFailure",
        "containers": [{"name": "base", "image": "worker:1", "args": ["theirs"]}],
    },
}


def a_request(**changed):
    values = {
        "task": a_task(),
        "launch_id": UUID(int=1),
        "row_id": UUID(int=2),
        "ordinal": 0,
        "namespace": "tasks",
        "args": ["run"],
        "image": "",
        "airflow_version": "3.3.2",
        "scheduler": "7",
    }
    return PodRequest(**(values | changed))


def rendered(*layers, **changed):
    request = a_request(**changed)
    return manifest.seal(manifest.render(TEMPLATE, request, layers=layers), request)


def base_of(pod):
    return pod["spec"]["containers"][0]


def test_the_launch_fills_the_template():
    pod = rendered()
    assert base_of(pod)["args"] == ["run"]
    assert base_of(pod)["image"] == "worker:1"
    assert pod["metadata"]["namespace"] == "tasks"
    assert pod["metadata"]["labels"]["team"] == "data"
    assert pod["metadata"]["annotations"]["note"] == "kept"
    assert pod["metadata"]["labels"]["dag_id"] == "etl"


def test_a_pod_in_a_task_pod_can_tell():
    assert base_of(rendered())["env"] == [{"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}]


def test_the_configured_image_beats_the_templates_and_a_layer_beats_both():
    assert base_of(rendered(image="mine:2"))["image"] == "mine:2"
    layer = {"spec": {"containers": [{"name": "base", "image": "theirs:3"}]}}
    assert base_of(rendered(layer, image="mine:2"))["image"] == "theirs:3"


def test_a_later_layer_wins():
    layers = [{"spec": {"priorityClassName": name}} for name in ("band", "profile", "override")]
    assert rendered(*layers)["spec"]["priorityClassName"] == "override"


def test_nothing_that_is_given_is_changed_or_shared():
    layer = {"spec": {"tolerations": [{"key": "a"}]}}
    before = copy.deepcopy((TEMPLATE, layer))
    pod = rendered(layer)
    pod["spec"]["tolerations"].append({"key": "b"})
    base_of(pod)["env"].clear()
    assert (TEMPLATE, layer) == before


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param({"metadata": {"name": "mine"}}, id="name"),
        pytest.param({"metadata": {"labels": {"dag_id": "other"}}}, id="label"),
        pytest.param({"metadata": {"labels": {"map_index": "3"}}}, id="label-of-mapped-tasks"),
        pytest.param({"metadata": {"labels": {"airflow-worker": "9"}}}, id="owner"),
        pytest.param({"metadata": {"labels": {"tradewind/launch-id": "x"}}}, id="launch"),
        pytest.param({"metadata": {"annotations": {"run_id": "other"}}}, id="annotation"),
        pytest.param({"spec": {"restartPolicy": "Always"}}, id="restartPolicy"),
        pytest.param({"kind": "Job", "apiVersion": "v2"}, id="kind"),
    ],
)
def test_identity_cannot_be_changed(layer):
    assert rendered(layer) == rendered()


def test_other_labels_and_annotations_are_free():
    pod = rendered({"metadata": {"labels": {"own": "yes"}, "annotations": {"own": "yes"}}})
    assert pod["metadata"]["labels"]["own"] == "yes"
    assert pod["metadata"]["annotations"]["own"] == "yes"


def test_a_layer_may_choose_the_namespace():
    assert rendered({"metadata": {"namespace": "b"}})["metadata"]["namespace"] == "b"


def test_the_seal_mends_what_a_hook_removed():
    pod = manifest.seal({"spec": rendered()["spec"]}, a_request())
    assert pod["metadata"]["namespace"] == "tasks"
    assert pod["metadata"]["labels"]["tradewind/launch-id"] == str(UUID(int=1))
