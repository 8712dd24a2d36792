"""What a task says of its pod reaches the launch."""

import gc
import uuid
import weakref

import pytest
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from kubernetes.client import models as k8s

from tradewind import pod_models, workloads
from tradewind.errors import ConfigError


def a_workload(executor_config):
    ti = TaskInstanceDTO(
        id=uuid.uuid4(),
        dag_version_id=uuid.uuid4(),
        dag_id="etl",
        task_id="load",
        run_id="manual__1",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        queue="big",
        priority_weight=7,
        executor_config=executor_config,
    )
    return ExecuteTask(
        ti=ti,
        dag_rel_path="d.py",
        token="stale",
        log_path="log",
        bundle_info=BundleInfo(name="tests"),
    )


def launch(executor_config=None):
    return workloads.launch_of(a_workload(executor_config), mint=lambda subject: f"for {subject}")


def test_queue_priority_template_and_choice_are_taken_along():
    config = {"pod_template_file": "/own.yaml", "tradewind": {"profile": "small"}}
    made = launch(config)
    assert (made.queue, made.priority) == ("big", 7)
    assert made.template_path == "/own.yaml"
    assert made.choice == {"profile": "small"}


def test_the_token_is_minted_when_the_arguments_are_asked_for():
    made = launch()
    *command, workload = made.render_args()
    assert command == [
        "python",
        "-m",
        "airflow.sdk.execution_time.execute_workload",
        "--json-string",
    ]
    assert f'"token":"for {made.row_id}"' in workload
    assert "stale" not in workload


def test_the_arguments_hold_the_whole_workload():
    given = a_workload(None)
    *_, said = workloads.launch_of(given, mint=lambda _: 'a "new" one').render_args()
    assert ExecuteTask.model_validate_json(said) == given.model_copy(
        update={"token": 'a "new" one'}
    )


def test_a_launch_keeps_no_model_of_its_workload():
    """There are ten thousand launches at a time, and models are six times their JSON."""
    given = a_workload(None)
    model, row = weakref.ref(given), weakref.ref(given.ti)
    kept = workloads.launch_of(given, mint=str)
    del given
    gc.collect()
    assert (model(), row()) == (None, None)
    assert kept.render_args()


@pytest.mark.parametrize(
    ("config", "asks"),
    [
        pytest.param(None, False, id="no-config"),
        pytest.param({"pod_override": None}, False, id="none"),
        pytest.param({"pod_override": k8s.V1Pod()}, True, id="a-pod"),
        pytest.param({"pod_override": "x"}, True, id="something-to-refuse"),
        pytest.param({"KubernetesExecutor": {"image": "x"}}, True, id="a-legacy-key-to-refuse"),
    ],
)
def test_an_override_is_converted_later_and_only_when_there_is_one(config, asks):
    assert (launch(config).render_override is not None) == asks


def test_an_override_becomes_a_plain_manifest():
    pod = k8s.V1Pod(spec=k8s.V1PodSpec(containers=[], node_selector={"a": "1"}))
    assert launch({"pod_override": pod}).render_override() == {
        "spec": {"containers": [], "nodeSelector": {"a": "1"}}
    }


def test_a_hook_gets_a_pod_and_its_changes_are_a_manifest():
    def hook(pod):
        pod.spec.containers[0].image = "mine"

    manifest = {"spec": {"containers": [{"name": "base", "image": "w"}]}}
    mutated = pod_models.through_hook(manifest, hook=hook)
    assert mutated == {"spec": {"containers": [{"name": "base", "image": "mine"}]}}
    assert manifest["spec"]["containers"][0]["image"] == "w"


@pytest.mark.parametrize(
    ("field", "where"),
    [
        ({"tomorrows": "field"}, "spec.tomorrows"),
        ({"securityContext": {"tomorrows": []}}, "spec.securityContext.tomorrows"),
        ({"volumes": [{"name": "a"}, {"name": "b", "tomorrows": 1}]}, "spec.volumes[1].tomorrows"),
    ],
)
def test_a_hook_with_older_models_never_loses_a_field(field, where):
    manifest = {"spec": {"containers": [{"name": "base"}], **field}}
    with pytest.raises(ConfigError, match="install a newer `kubernetes`") as refused:
        pod_models.through_hook(manifest, hook=lambda pod: None)
    assert f"the pod has {where}, which kubernetes" in str(refused.value)


def test_a_hook_keeps_what_says_little():
    little = {"hostNetwork": False, "volumes": [], "securityContext": {}, "priority": 0}
    manifest = {"spec": {"containers": [{"name": "base", "env": [{"name": "A"}]}], **little}}
    assert pod_models.through_hook(manifest, hook=lambda pod: None) == manifest


def test_a_legacy_key_is_refused_with_a_remedy():
    with pytest.raises(ConfigError, match="of Airflow 1: give 'pod_override'"):
        launch({"KubernetesExecutor": {"image": "x"}}).render_override()
