import pytest

from tradewind.errors import ConfigError
from tradewind.pods import schema
from tradewind_tools import pod_fields


def test_the_table_is_that_of_the_installed_kubernetes_client():
    assert pod_fields.TARGET.read_text() == pod_fields.text(), (
        "run: .venv/bin/python -m tradewind_tools.pod_fields"
    )


def test_a_copy_without_empty_fields_is_returned():
    document = {"spec": {"containers": [{"name": "base", "command": ["a"], "image": None}]}}
    shaped = schema.conform(document, source="x")
    assert shaped == {"spec": {"containers": [{"name": "base", "command": ["a"]}]}}
    assert (
        shaped["spec"]["containers"][0]["command"]
        is not document["spec"]["containers"][0]["command"]
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"spce": {}}, "a pod has no field 'spce': did you mean 'spec'"),
        ({"spec": {"zzz": 1}}, "a pod has no field 'spec.zzz': remove it"),
        ({"spec": {True: 1}}, "a pod has no field 'spec.True'"),
        (
            {"spec": {"containers": [{"args": "run"}]}},
            r"containers\[0\].args is 'run': give a list",
        ),
        ({"spec": {"priority": "high"}}, "spec.priority is 'high': give a whole number"),
        ({"spec": {"priority": 1.5}}, "give a whole number"),
        ({"spec": {"hostPID": 1}}, "spec.hostPID is 1: give true or false"),
        ({"spec": {"hostname": ["a"]}}, r"spec.hostname is \['a'\]: give text"),
        ({"metadata": {"labels": {"a": {}}}}, "metadata.labels.a is {}: give text"),
        ("words", "is of type str: give a mapping"),
    ],
)
def test_another_shape_is_refused_with_its_path(document, sentence):
    with pytest.raises(ConfigError, match=sentence):
        schema.conform(document, source="the source")


def test_a_status_is_nobodys_business():
    assert schema.conform({"status": {"phase": "x"}}, source="x") == {"status": {"phase": "x"}}


def test_a_few_lines_that_stand_for_gigabytes_are_refused():
    bomb = ["x" * 10]
    for _ in range(9):
        bomb = [bomb] * 10
    with pytest.raises(ConfigError, match="move large values into a ConfigMap"):
        schema.refuse_huge(bomb, source="the source")
