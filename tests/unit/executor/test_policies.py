import pytest
from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.sdk import DAG, task
from kubernetes.client import models as k8s

from tradewind.policies import task_policy


def a_task(executor_config):
    with DAG("etl", schedule=None):

        @task(executor_config=executor_config)
        def load():
            """Do nothing."""

        return load().operator


def override(*names, **spec):
    containers = [k8s.V1Container(name=name) for name in names]
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=containers, **spec))}


@pytest.mark.parametrize(
    ("executor_config", "sentence"),
    [
        pytest.param({"pod_override": "x"}, "is a str: give a kubernetes", id="no-pod"),
        pytest.param(override("base", "base"), "2 items named 'base'", id="two-bases"),
        pytest.param(
            override(node_selector={"a": "b c"}), r"spec\.nodeSelector\.a is 'b c'", id="bad-value"
        ),
        pytest.param({"tradewind": {"profil": "s"}}, "unknown key 'profil'", id="misspelt-choice"),
        pytest.param({"KubernetesExecutor": {"image": "x"}}, "of Airflow 1", id="legacy-key"),
    ],
)
def test_a_task_that_cannot_run_is_refused_when_it_is_parsed(executor_config, sentence):
    with pytest.raises(AirflowClusterPolicyViolation, match=f"task 'load': .*{sentence}"):
        task_policy(a_task(executor_config))


def test_a_forbidden_field_is_refused_when_it_is_parsed(monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__FORBIDDEN_OVERRIDE_FIELDS", "spec.hostNetwork")
    with pytest.raises(AirflowClusterPolicyViolation, match=r"spec\.hostNetwork is forbidden"):
        task_policy(a_task(override(host_network=True)))


@pytest.mark.parametrize(
    "executor_config",
    [
        pytest.param(None, id="none"),
        pytest.param({"other": 1}, id="other-executors"),
        pytest.param({"tradewind": {"profile": "known-to-the-scheduler"}}, id="a-profile"),
        pytest.param(override("proxy", "cache"), id="sidecars-of-a-template-not-seen-here"),
    ],
)
def test_what_can_run_passes(executor_config):
    task_policy(a_task(executor_config))
