import pytest

from tradewind.errors import ConfigError
from tradewind.pods import override

POD = {"spec": {"containers": [{"name": "base"}, {"name": "proxy"}]}}


def judged(document, *, forbidden=()):
    return override.validated(document, pod=POD, forbidden=forbidden)


def containers(*named, **fields):
    return {"spec": {"containers": [{"name": name, **fields} for name in named]}}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param(containers(), containers(), id="no-container"),
        pytest.param(containers("main"), containers("base"), id="a-lone-unknown-name-is-base"),
        pytest.param(containers("proxy"), containers("proxy"), id="a-sidecar-of-the-template"),
        pytest.param(
            containers("base", "new"), containers("base", "new"), id="base-and-a-new-sidecar"
        ),
    ],
)
def test_containers_are_found_by_name(document, expected):
    assert judged(document) == expected


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        pytest.param(
            containers("a", "b"), "has 2 containers and no 'base': name the one", id="no-base"
        ),
        pytest.param(containers("base", "base"), "2 items named 'base'", id="two-bases"),
        pytest.param(
            containers("base", args=["true"]), r"containers\[0\].args would replace", id="args"
        ),
        pytest.param(containers("x", args=[]), "so that the task never runs", id="no-args"),
        pytest.param({"spec": {"image": "x"}}, "no field 'spec.image'", id="unknown-field"),
        pytest.param({"spec": "hello"}, "spec is 'hello': give a mapping", id="no-spec"),
        pytest.param(
            {"metadata": {"annotations": {"a": "x" * 1_100_000}}}, "larger than 1000", id="huge"
        ),
    ],
)
def test_an_override_that_cannot_work_is_refused(document, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        judged(document)
    assert str(caught.value).startswith("pod_override")


def test_a_sidecars_arguments_are_its_own():
    assert judged(containers("proxy", args=["serve"])) == containers("proxy", args=["serve"])


@pytest.mark.parametrize(
    ("path", "document"),
    [
        pytest.param("spec.hostNetwork", {"spec": {"hostNetwork": False}}, id="a-field"),
        pytest.param(
            "spec.serviceAccountName", {"spec": {"serviceAccountName": "x"}}, id="another-account"
        ),
        pytest.param(
            "spec.volumes.hostPath",
            {"spec": {"volumes": [{"name": "a"}, {"name": "b", "hostPath": {"path": "/"}}]}},
            id="in-a-list",
        ),
        pytest.param(
            "spec.containers.securityContext.privileged",
            containers("base", securityContext={"privileged": True}),
            id="deep",
        ),
        pytest.param("spec.tolerations", {"spec": {"tolerations": [{"key": "a"}]}}, id="a-list"),
        pytest.param("metadata.namespace", {"metadata": {"namespace": "b"}}, id="namespace"),
    ],
)
def test_a_forbidden_field_is_refused(path, document):
    with pytest.raises(ConfigError, match=f"{path} is forbidden here"):
        judged(document, forbidden=(path,))
    assert judged(document, forbidden=("spec.hostPID",)) == document
