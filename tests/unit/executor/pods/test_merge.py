import copy

import pytest

from tradewind.pods.merge import merge


def container(**fields):
    return {"spec": {"containers": [{"name": "base", **fields}]}}


def env(**values):
    return [{"name": name, "value": value} for name, value in values.items()]


SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


@pytest.mark.parametrize(
    ("base", "over", "expected"),
    [
        pytest.param(
            container(image="a", tty=True),
            container(image="b"),
            container(image="b", tty=True),
            id="a-said-field-replaces",
        ),
        pytest.param(
            container(image="a"), container(image="", tty=None), container(image="a"), id="unsaid"
        ),
        pytest.param(
            {"spec": {"terminationGracePeriodSeconds": 30, "tolerations": [{"key": "a"}]}},
            {"spec": {"terminationGracePeriodSeconds": 0, "tolerations": []}},
            {"spec": {"terminationGracePeriodSeconds": 0, "tolerations": []}},
            id="falsy-counts",
        ),
        pytest.param(
            container(env=env(A="1", B="2")),
            container(env=env(A="9", C="3")),
            container(env=env(A="9", B="2", C="3")),
            id="env-by-name-in-its-place",
        ),
        pytest.param(
            container(env=[SECRET]),
            container(env=env(A="9")),
            container(env=env(A="9")),
            id="a-plain-value-replaces-a-reference",
        ),
        pytest.param(
            container(env=env(A="9")),
            container(env=[SECRET]),
            container(env=[SECRET]),
            id="a-reference-replaces-a-plain-value",
        ),
        pytest.param(
            {"spec": {"volumes": [{"name": "tmp", "emptyDir": {}}]}},
            {"spec": {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}, {"name": "b"}]}},
            {"spec": {"volumes": [{"name": "tmp", "hostPath": {"path": "/x"}}, {"name": "b"}]}},
            id="a-volume-has-one-kind",
        ),
        pytest.param(
            container(volumeMounts=[{"mountPath": "/a", "name": "x", "readOnly": True}]),
            container(volumeMounts=[{"mountPath": "/a", "name": "y"}]),
            container(volumeMounts=[{"mountPath": "/a", "name": "y"}]),
            id="a-path-has-one-mount",
        ),
        pytest.param(
            container(ports=[{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]),
            container(ports=[{"containerPort": 1, "protocol": "TCP", "name": "http"}]),
            container(
                ports=[
                    {"containerPort": 1, "protocol": "TCP", "name": "http"},
                    {"containerPort": 1, "protocol": "UDP"},
                ]
            ),
            id="ports-by-number-and-protocol",
        ),
        pytest.param(
            container(envFrom=[{"prefix": "A"}]),
            container(envFrom=[{"prefix": "B"}]),
            container(envFrom=[{"prefix": "A"}, {"prefix": "B"}]),
            id="envFrom-concatenates",
        ),
        pytest.param(
            {"spec": {"securityContext": {"fsGroup": 1, "runAsUser": 1}}},
            {"spec": {"securityContext": {"runAsUser": 0}}},
            {"spec": {"securityContext": {"fsGroup": 1, "runAsUser": 0}}},
            id="securityContext-field-by-field",
        ),
        pytest.param(
            container(securityContext={"capabilities": {"drop": ["ALL"]}}),
            container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}),
            container(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
            id="what-was-dropped-stays-dropped",
        ),
        pytest.param(
            container(resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1"}}),
            container(resources={"requests": {"cpu": "2"}}),
            container(resources={"requests": {"cpu": "2"}}),
            id="resources-are-replaced",
        ),
        pytest.param(
            {"spec": {"nodeSelector": {"a": "1"}}},
            {"spec": {"nodeSelector": {"b": "2"}}},
            {"spec": {"nodeSelector": {"b": "2"}}},
            id="nodeSelector-is-replaced",
        ),
        pytest.param(
            {"metadata": {"labels": {"a": "1", "b": "2"}}},
            {"metadata": {"labels": {"b": "3"}}},
            {"metadata": {"labels": {"a": "1", "b": "3"}}},
            id="labels-one-by-one",
        ),
        pytest.param(
            {"spec": {"containers": [{"name": "base", "image": "a"}, {"name": "proxy"}]}},
            {"spec": {"containers": [{"name": "proxy", "image": "p"}, {"name": "new"}]}},
            {
                "spec": {
                    "containers": [
                        {"name": "base", "image": "a"},
                        {"name": "proxy", "image": "p"},
                        {"name": "new"},
                    ]
                }
            },
            id="containers-by-name",
        ),
        pytest.param(
            {"spec": {"initContainers": [{"name": "i", "image": "a", "env": env(A="1")}]}},
            {"spec": {"initContainers": [{"name": "i", "env": env(B="2")}]}},
            {"spec": {"initContainers": [{"name": "i", "image": "a", "env": env(A="1", B="2")}]}},
            id="initContainers-by-name",
        ),
    ],
)
def test_merge(base, over, expected):
    before = copy.deepcopy((base, over))
    assert merge(base, over) == expected
    assert (base, over) == before
