"""The differences from upstream's pods that docs/contract.md lists, seen on both sides.

Each row says what upstream makes of a template and an override and what Tradewind does, so that a
difference that one of the two gives up is noticed.
"""

import pytest
from kubernetes.client import models as k8s
from oracle.pods import a_pod, of_container, of_spec, rendered

MARKER = {"name": "AIRFLOW_IS_K8S_EXECUTOR_POD", "value": "True"}
"""The variable that both executors give the base container."""


def env(value):
    return {"env": [k8s.V1EnvVar(name="A", value=value)]}


def mount(volume):
    return {"volume_mounts": [k8s.V1VolumeMount(mount_path="/data", name=volume)]}


@pytest.mark.parametrize(
    ("template", "override", "look", "upstream", "tradewind"),
    [
        pytest.param(
            a_pod(container=env("1")),
            a_pod(container=env("2")),
            of_container("env"),
            [{"name": "A", "value": "1"}, MARKER, {"name": "A", "value": "2"}],
            [{"name": "A", "value": "2"}, MARKER],
            id="environment-is-merged-by-name",
        ),
        pytest.param(
            a_pod(container=mount("disk")),
            a_pod(container=mount("memory")),
            of_container("volumeMounts"),
            [{"mountPath": "/data", "name": "disk"}, {"mountPath": "/data", "name": "memory"}],
            [{"mountPath": "/data", "name": "memory"}],
            id="mounts-are-merged-by-path",
        ),
        pytest.param(
            a_pod(security_context=k8s.V1PodSecurityContext(run_as_user=1, fs_group=2)),
            a_pod(security_context=k8s.V1PodSecurityContext(run_as_user=3)),
            of_spec("securityContext"),
            {"runAsUser": 3},
            {"runAsUser": 3, "fsGroup": 2},
            id="security-context-is-merged-by-field",
        ),
        pytest.param(
            a_pod(host_network=True),
            a_pod(host_network=False),
            of_spec("hostNetwork"),
            True,
            False,
            id="false-in-an-override-counts",
        ),
        pytest.param(
            a_pod(),
            a_pod(metadata={"name": "mine"}),
            lambda pod: pod["metadata"]["name"],
            "mine",
            "dag-task-1",
            id="the-name-is-the-launchs",
        ),
        pytest.param(
            a_pod(),
            a_pod(metadata={"labels": {"dag_id": "mine"}, "annotations": {"dag_id": "mine"}}),
            lambda pod: [pod["metadata"][key]["dag_id"] for key in ("labels", "annotations")],
            ["mine", "mine"],
            ["dag", "dag"],
            id="labels-and-annotations-of-the-task-stay",
        ),
        pytest.param(
            a_pod(),
            a_pod(container={"name": "mine"}),
            of_container("name"),
            "mine",
            "base",
            id="the-first-container-is-base",
        ),
        pytest.param(
            a_pod(restart_policy="Always"),
            a_pod(),
            of_spec("restartPolicy"),
            "Always",
            "Never",
            id="a-pod-is-never-restarted",
        ),
    ],
)
def test_the_documented_difference_is_there(
    template, override, look, upstream, tradewind, pytestconfig
):
    expected = {"upstream": upstream, "tradewind": tradewind}[pytestconfig.getoption("against")]
    assert look(rendered(template, override)) == expected
