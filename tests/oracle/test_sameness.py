"""What template and override become where docs/contract.md lists no difference: same on both sides.

Upstream's tests look at few fields; these look at more.
"""

import pytest
from kubernetes.client import models as k8s
from oracle.pods import a_pod, of_container, of_spec, rendered


def from_config_map(name):
    source = k8s.V1ConfigMapEnvSource(name=name)
    return {"env_from": [k8s.V1EnvFromSource(config_map_ref=source)]}


def asking(**amounts):
    return {"resources": k8s.V1ResourceRequirements(**amounts)}


def alive(**check):
    return {"liveness_probe": k8s.V1Probe(**check)}


def tolerating(key):
    return [k8s.V1Toleration(key=key, operator="Exists")]


@pytest.mark.parametrize(
    ("template", "override", "look", "expected"),
    [
        pytest.param(
            a_pod(container=from_config_map("a")),
            a_pod(container=from_config_map("b")),
            of_container("envFrom"),
            [{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
            id="sources-of-environment-are-joined",
        ),
        pytest.param(
            a_pod(container={"ports": [k8s.V1ContainerPort(container_port=1)]}),
            a_pod(container={"ports": [k8s.V1ContainerPort(container_port=2)]}),
            of_container("ports"),
            [{"containerPort": 1}, {"containerPort": 2}],
            id="ports-are-joined",
        ),
        pytest.param(
            a_pod(metadata={"labels": {"a": "1", "b": "1"}, "annotations": {"c": "1"}}),
            a_pod(metadata={"labels": {"a": "2"}, "annotations": {"d": "2"}}),
            lambda pod: [
                pod["metadata"]["labels"]["a"],
                pod["metadata"]["labels"]["b"],
                pod["metadata"]["annotations"]["c"],
                pod["metadata"]["annotations"]["d"],
            ],
            ["2", "1", "1", "2"],
            id="labels-and-annotations-are-merged-by-key",
        ),
        pytest.param(
            a_pod(init_containers=[k8s.V1Container(name="a", image="a:1", args=["x"])]),
            a_pod(
                init_containers=[
                    k8s.V1Container(name="a", image="a:2"),
                    k8s.V1Container(name="b", image="b:1"),
                ]
            ),
            of_spec("initContainers"),
            [{"name": "a", "image": "a:2", "args": ["x"]}, {"name": "b", "image": "b:1"}],
            id="init-containers-are-merged-by-name",
        ),
        pytest.param(
            a_pod(service_account_name="a", priority_class_name="low"),
            a_pod(service_account_name="b"),
            lambda pod: [of_spec("serviceAccountName")(pod), of_spec("priorityClassName")(pod)],
            ["b", "low"],
            id="plain-fields-are-replaced-one-by-one",
        ),
        pytest.param(
            a_pod(container=asking(requests={"cpu": "1"})),
            a_pod(container=asking(limits={"cpu": "2"})),
            of_container("resources"),
            {"limits": {"cpu": "2"}},
            id="resources-are-replaced",
        ),
        pytest.param(
            a_pod(node_selector={"disk": "fast"}),
            a_pod(node_selector={"zone": "a"}),
            of_spec("nodeSelector"),
            {"zone": "a"},
            id="node-selectors-are-replaced",
        ),
        pytest.param(
            a_pod(container=alive(http_get=k8s.V1HTTPGetAction(port=80))),
            a_pod(container=alive(_exec=k8s.V1ExecAction(command=["true"]))),
            of_container("livenessProbe"),
            {"exec": {"command": ["true"]}},
            id="probes-are-replaced",
        ),
        pytest.param(
            a_pod(tolerations=tolerating("a")),
            a_pod(tolerations=tolerating("b")),
            of_spec("tolerations"),
            [{"key": "b", "operator": "Exists"}],
            id="tolerations-are-replaced",
        ),
        pytest.param(
            a_pod(image_pull_secrets=[k8s.V1LocalObjectReference(name="a")]),
            a_pod(image_pull_secrets=[k8s.V1LocalObjectReference(name="b")]),
            of_spec("imagePullSecrets"),
            [{"name": "b"}],
            id="pull-secrets-are-replaced",
        ),
    ],
)
def test_template_and_override_become_the_same(template, override, look, expected):
    assert look(rendered(template, override)) == expected
