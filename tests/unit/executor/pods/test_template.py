import copy
from uuid import UUID

import pytest

from tradewind.errors import ConfigError
from tradewind.pods import template
from tradewind.pods.template import PodRequest, TemplateFile
from tradewind.testing.builders import a_task

TEMPLATE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"labels": {"team": "data"}, "annotations": {"note": "kept"}},
    "spec": {
        "securityContext": {"runAsUser": 50000, "fsGroup": 50000},
        "restartPolicy": "OnFailure",
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "containers": [
            {
                "name": "base",
                "image": "worker:1",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "resources": {"requests": {"cpu": "1"}},
            }
        ],
    },
}


def a_request(**changed):
    values = {
        "task": a_task(),
        "launch_id": UUID(int=1),
        "ordinal": 0,
        "namespace": "tasks",
        "args": ["run"],
        "image": "",
        "airflow_version": "3.3.2",
        "scheduler": "7",
    }
    return PodRequest(**(values | changed))


def rendered(**changed):
    return template.render(TEMPLATE, a_request(**changed))


def base_of(manifest):
    return manifest["spec"]["containers"][0]


def test_the_template_is_never_changed():
    before = copy.deepcopy(TEMPLATE)
    rendered(override={"spec": {"containers": [{"env": [{"name": "A", "value": "9"}]}]}})
    assert before == TEMPLATE


def test_the_launch_fills_the_template():
    manifest = rendered()
    assert base_of(manifest)["args"] == ["run"]
    assert base_of(manifest)["image"] == "worker:1"
    assert manifest["metadata"]["namespace"] == "tasks"
    assert manifest["metadata"]["labels"]["team"] == "data"
    assert manifest["metadata"]["annotations"]["note"] == "kept"
    assert manifest["metadata"]["labels"]["dag_id"] == "etl"
    assert manifest["spec"]["restartPolicy"] == "Never"


def test_a_configured_image_beats_the_templates_and_an_override_beats_both():
    assert base_of(rendered(image="mine:2"))["image"] == "mine:2"
    over = {"spec": {"containers": [{"name": "base", "image": "theirs:3"}]}}
    assert base_of(rendered(image="mine:2", override=over))["image"] == "theirs:3"


def test_environment_variables_merge_by_name():
    over = {"spec": {"containers": [{"env": [{"name": "A", "value": "9"}]}]}}
    env = base_of(rendered(override=over))["env"]
    assert [entry for entry in env if entry["name"] == "A"] == [{"name": "A", "value": "9"}]
    assert {entry["name"] for entry in env} == {"A", "B", "AIRFLOW_IS_K8S_EXECUTOR_POD"}


def test_a_plain_value_replaces_a_reference():
    base = copy.deepcopy(TEMPLATE)
    reference = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    base["spec"]["containers"][0]["env"] = [reference]
    over = {"spec": {"containers": [{"env": [{"name": "A", "value": "9"}]}]}}
    env = base_of(template.render(base, a_request(override=over)))["env"]
    assert {"name": "A", "value": "9"} in env
    assert reference not in env


def test_security_contexts_merge_field_by_field():
    manifest = rendered(override={"spec": {"securityContext": {"runAsUser": 1}}})
    assert manifest["spec"]["securityContext"] == {"runAsUser": 1, "fsGroup": 50000}


def test_falsy_overrides_count():
    over = {"spec": {"terminationGracePeriodSeconds": 0, "enableServiceLinks": False}}
    spec = rendered(override=over)["spec"]
    assert spec["terminationGracePeriodSeconds"] == 0
    assert spec["enableServiceLinks"] is False


def test_volumes_and_mounts_are_added():
    over = {
        "spec": {
            "volumes": [{"name": "data", "emptyDir": {}}],
            "containers": [{"volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        }
    }
    manifest = rendered(override=over)
    assert [volume["name"] for volume in manifest["spec"]["volumes"]] == ["tmp", "data"]
    assert [m["mountPath"] for m in base_of(manifest)["volumeMounts"]] == ["/tmp", "/data"]


def test_a_sidecar_is_added_beside_the_base_container():
    over = {"spec": {"containers": [{"name": "base"}, {"name": "proxy", "image": "p:1"}]}}
    names = [c["name"] for c in rendered(override=over)["spec"]["containers"]]
    assert names == ["base", "proxy"]


def test_identity_cannot_be_overridden():
    over = {
        "metadata": {"name": "mine", "labels": {"dag_id": "other", "own": "yes"}},
        "spec": {"restartPolicy": "Always"},
    }
    manifest = rendered(override=over)
    assert manifest["metadata"]["name"] == rendered()["metadata"]["name"]
    assert manifest["metadata"]["labels"]["dag_id"] == "etl"
    assert manifest["metadata"]["labels"]["own"] == "yes"
    assert manifest["spec"]["restartPolicy"] == "Never"


def test_a_task_may_choose_its_namespace():
    assert rendered(override={"metadata": {"namespace": "b"}})["metadata"]["namespace"] == "b"


def test_a_missing_image_is_an_error_with_a_remedy():
    bare = {"kind": "Pod", "spec": {"containers": [{"name": "base"}]}}
    with pytest.raises(ConfigError, match="worker_container_repository"):
        template.render(bare, a_request())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("kind: Deployment", "begin it with `kind: Pod`", id="other-kind"),
        pytest.param("- a\n- b", "begin it with `kind: Pod`", id="a-list"),
        pytest.param("", "begin it with `kind: Pod`", id="empty"),
        pytest.param("kind: Pod", "has no `spec`", id="no-spec"),
        pytest.param("kind: Pod\nspec: {}", "has no `spec.containers`", id="no-containers"),
        pytest.param("kind: Pod\nspec: {containers: []}", "spec.containers", id="empty-list"),
        pytest.param("kind: Pod\nspec: [", "is no YAML", id="broken-yaml"),
    ],
)
def test_an_unusable_template_is_named(tmp_path, text, sentence):
    path = tmp_path / "pod.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        TemplateFile(str(path)).load()
    assert str(path) in str(caught.value)


def test_a_missing_template_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the pod template"):
        TemplateFile(str(tmp_path / "none.yaml")).load()
    with pytest.raises(ConfigError, match="pod_template_file is not set"):
        TemplateFile("").load()


def test_the_template_is_read_again_only_when_it_changed(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\nspec: {containers: [{name: base, image: a}]}")
    file = TemplateFile(str(path))
    first = file.load()
    assert file.load() is first
    path.write_text("kind: Pod\nspec: {containers: [{name: base, image: changed}]}")
    assert base_of(file.load())["image"] == "changed"
