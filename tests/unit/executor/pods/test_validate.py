import pytest

from tradewind.errors import ConfigError
from tradewind.pods import validate


def pod(*, spec=None, metadata=None, **base):
    containers = [{"name": "base", "image": "w", **base}]
    return {
        "metadata": {"namespace": "tasks", **(metadata or {})},
        "spec": {"containers": containers, **(spec or {})},
    }


def resources(requests=None, limits=None):
    return {"requests": requests or {}, "limits": limits or {}}


def containers(*names):
    return {"containers": [{"name": name, "image": "w"} for name in names]}


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        pytest.param(
            pod(resources=resources({"cpu": "lots"})),
            r"containers\[0\].resources.requests.cpu is 'lots': write a quantity",
            id="no-quantity",
        ),
        pytest.param(
            pod(resources=resources(limits={"memory": "1Q!"})),
            "resources.limits.memory is '1Q!': write a quantity",
            id="no-unit",
        ),
        pytest.param(
            pod(resources=resources({"cpu": "-1"})), "quantity of 0 or more", id="negative"
        ),
        pytest.param(
            pod(resources=resources(limits={"memory": "512m"})),
            "limits.memory is '512m', too little for any container: write 512Mi",
            id="millibytes",
        ),
        pytest.param(pod(resources=resources(limits={"memory": "512"})), "write 512Mi", id="bytes"),
        pytest.param(
            pod(resources=resources({"cpu": "2"}, {"cpu": "1500m"})),
            "requests 2 of cpu and limits it to 1500m: raise the limit",
            id="limit-below-request",
        ),
        pytest.param(
            pod(spec={"volumes": [{"name": "t", "emptyDir": {"sizeLimit": "big"}}]}),
            r"volumes\[0\].emptyDir.sizeLimit is 'big'",
            id="size-of-emptyDir",
        ),
        pytest.param(
            pod(metadata={"labels": {"a": "no spaces"}}),
            "metadata.labels.a is 'no spaces': write letters",
            id="label-value",
        ),
        pytest.param(
            pod(metadata={"labels": {"a": "x" * 64}}), "labels.a is 'x+': write", id="long-label"
        ),
        pytest.param(pod(metadata={"labels": {"a b": "x"}}), "has the key 'a b'", id="label-key"),
        pytest.param(
            pod(metadata={"annotations": {"a b": "x"}}), "annotations has the key", id="annotation"
        ),
        pytest.param(
            pod(metadata={"annotations": {"a": "x" * 300_000}}), "256 KiB", id="long-annotation"
        ),
        pytest.param(
            pod(metadata={"resourceVersion": "1"}), "resourceVersion .* remove it", id="dumped-pod"
        ),
        pytest.param(
            pod(metadata={"labels": {"x" * 64: "a"}}), "has the key 'x+'", id="long-label-key"
        ),
        pytest.param(
            pod(env=[{"name": "MY VAR", "value": "x"}]),
            r"env\[0\].name is 'MY VAR': write letters",
            id="env-name",
        ),
        pytest.param(
            pod(env=[{"name": "A", "value": "x", "valueFrom": {}}]),
            r"\(A\) has both value and valueFrom",
            id="two-sources",
        ),
        pytest.param(
            pod(env=[{"name": "A", "value": "x" * 200_000}]),
            "195 KiB, more than Linux takes",
            id="long-variable",
        ),
        pytest.param(
            pod(env=[{"name": f"A{n}", "value": "x" * 100_000} for n in range(15)]),
            "larger than 1000 kB",
            id="huge",
        ),
        pytest.param(pod(spec=containers("base", "base")), "2 items named 'base'", id="two-bases"),
        pytest.param(pod(spec=containers("base", "My_Proxy")), "name 'My_Proxy'", id="bad-name"),
        pytest.param(
            pod(spec=containers("base", "x" * 64)), "has the name 'x+': write", id="64-char-name"
        ),
        pytest.param(pod(spec=containers("proxy")), "has no 'base'", id="no-base"),
        pytest.param(pod(image=""), "has no image: set one in the pod template", id="no-image"),
        pytest.param(pod(restartPolicy="Always"), "a task runs once", id="restarting-container"),
        pytest.param(
            pod(spec={"nodeSelector": {"a": "x y"}}), "nodeSelector.a is 'x y'", id="nodeSelector"
        ),
        pytest.param(
            pod(metadata={"namespace": "other"}),
            "'other', which is not watched: choose one of tasks, more",
            id="unwatched-namespace",
        ),
    ],
)
def test_a_pod_that_cannot_work_is_refused(bad, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        validate.check_whole(bad, source="the pod", namespaces=("tasks", "more"))
    assert str(caught.value).startswith("the pod")


def test_a_namespace_must_be_a_name():
    with pytest.raises(ConfigError, match=r"metadata\.namespace is 'A_b': write lower-case"):
        validate.check({"metadata": {"namespace": "A_b"}}, source="pod_override")


def test_a_usual_pod_is_fine():
    good = pod(
        metadata={
            "labels": {"app.kubernetes.io/name": "x", "empty": ""},
            "annotations": {"Example.com/Note": "any text, even 日本"},
        },
        env=[{"name": "A.b-C_1", "value": ""}, {"name": "B", "valueFrom": {}}],
        resources=resources({"cpu": "250m", "memory": "1.1Gi"}, {"memory": "1288490188800m"}),
        spec={"volumes": [{"name": "t", "emptyDir": {"sizeLimit": "1Gi"}}]},
    )
    validate.check_whole(good, source="the pod", namespaces=("tasks",))


def test_two_hundred_variables_are_fine():
    many = pod(env=[{"name": f"V{n}", "value": str(n)} for n in range(200)])
    validate.check_whole(many, source="the pod", namespaces=())


def test_every_namespace_is_watched_when_none_is_listed():
    validate.check_whole(pod(metadata={"namespace": "any"}), source="the pod", namespaces=())
