"""Our rules for pods against a real API server's: neither stricter where it counts, nor looser."""

import pytest

from tradewind.client.errors import ApiError
from tradewind.errors import ConfigError
from tradewind.pods import validate
from tradewind.pods.template import validated


def a_pod(*, metadata=None, spec=None, **base):
    containers = [{"name": "base", "image": "worker:1", **base}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", **(metadata or {})},
        "spec": {"containers": containers, **(spec or {})},
    }


def asking(requests=None, limits=None):
    return a_pod(resources={"requests": requests or {}, "limits": limits or {}})


def with_env(**entry):
    return a_pod(env=[entry])


def judge(pod, namespace):
    judged = validated(pod, "the pod")
    judged["metadata"]["namespace"] = namespace
    validate.check_whole(judged, source="the pod", namespaces=(namespace,))


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(asking({"cpu": "lots"}), id="no-quantity"),
        pytest.param(asking({"memory": "1Q!"}), id="no-unit"),
        pytest.param(asking({"cpu": "-1"}), id="negative"),
        pytest.param(asking({"cpu": "2"}, {"cpu": "1"}), id="limit-below-request"),
        pytest.param(a_pod(metadata={"labels": {"a": "b c"}}), id="label-value"),
        pytest.param(a_pod(metadata={"labels": {"a": "x" * 64}}), id="long-label-value"),
        pytest.param(a_pod(metadata={"labels": {"a b": "c"}}), id="label-key"),
        pytest.param(a_pod(metadata={"annotations": {"a b": "c"}}), id="annotation-key"),
        pytest.param(a_pod(metadata={"annotations": {"a": "x" * 263_000}}), id="long-annotation"),
        pytest.param(a_pod(metadata={"resourceVersion": "1"}), id="version-of-a-dumped-pod"),
        pytest.param(with_env(name="A=B", value="x"), id="env-name"),
        pytest.param(
            with_env(name="A", value="x", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
            id="two-sources",
        ),
        pytest.param(a_pod(name="base", image=""), id="no-image"),
        pytest.param(a_pod(spec={"nodeSelector": {"a": "b c"}}), id="node-selector"),
        pytest.param(
            a_pod(spec={"containers": [{"name": "base", "image": "w"}] * 2}), id="two-bases"
        ),
        pytest.param(
            a_pod(spec={"initContainers": [{"name": "My_Init", "image": "w"}]}), id="bad-name"
        ),
        pytest.param(
            a_pod(spec={"volumes": [{"name": "x" * 64, "emptyDir": {}}]}), id="long-volume-name"
        ),
        pytest.param(a_pod(tty="yes"), id="no-boolean"),
        pytest.param(a_pod(spec={"priority": "high"}), id="no-number"),
        pytest.param(a_pod(spec={"tolerations": {}}), id="no-list"),
    ],
)
async def test_what_we_refuse_the_server_refuses_too(real_cluster, namespace, pod):
    with pytest.raises(ConfigError):
        judge(pod, namespace)
    with pytest.raises(ApiError) as caught:
        await real_cluster.create_pod(namespace, pod)
    assert caught.value.status in {400, 409, 413, 422, 500}


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(), id="plain"),
        pytest.param(asking({"cpu": "250m", "memory": "1.1Gi"}, {"memory": "2e9"}), id="amounts"),
        pytest.param(asking(limits={"example.com/gpu": "1"}), id="extended-resource"),
        pytest.param(asking({"memory": "0"}, {"memory": "1288490188800m"}), id="millibytes"),
        pytest.param(
            a_pod(
                metadata={
                    "labels": {"app.kubernetes.io/name": "x", "empty": "", "a": "x" * 63},
                    "annotations": {"Example.com/Note": "any text, even 日本"},
                }
            ),
            id="labels-and-annotations",
        ),
        pytest.param(with_env(name="A.b-C_1", value=""), id="env-name"),
        pytest.param(with_env(name="A", value="x" * 130_000), id="long-variable"),
        pytest.param(
            a_pod(
                spec={
                    "initContainers": [{"name": "i", "image": "w", "restartPolicy": "Always"}],
                    "volumes": [{"name": "t", "emptyDir": {"sizeLimit": "1Gi"}}],
                    "nodeSelector": {"a.b/c": "d"},
                    "hostNetwork": False,
                },
                volumeMounts=[{"name": "t", "mountPath": "/t"}],
                livenessProbe={"httpGet": {"path": "/", "port": "http"}},
                ports=[{"name": "http", "containerPort": 80}],
            ),
            id="usual-fields",
        ),
    ],
)
async def test_what_the_server_takes_we_take_too(real_cluster, namespace, pod):
    await real_cluster.create_pod(namespace, pod)
    judge(pod, namespace)
