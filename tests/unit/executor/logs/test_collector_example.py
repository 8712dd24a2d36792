"""The collector of docs/examples gives lines the names by which the log view looks for them."""

from pathlib import Path

import pytest
import yaml

from tradewind.logs import identity
from tradewind.pods import labels

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples" / "collectors"
CHART = Path(__file__).parents[4] / "chart"
PATH = "dag_id=etl/run_id=r/task_id=t/map_index=3/attempt=1.log"


@pytest.fixture
def vector():
    return yaml.safe_load((EXAMPLES / "vector.yaml").read_text())["customConfig"]


def test_labels_and_metadata_are_those_that_pods_send_themselves(vector):
    sink = vector["sinks"]["loki"]
    known = identity.of(PATH)
    assert set(sink["labels"]) == set(known.labels("prod"))
    assert set(sink["structured_metadata"]) == set(known.metadata)
    assert sink["labels"]["service_name"] == identity.SERVICE
    assert sink["labels"]["component"] == known.component
    # Whole lines, or the log view would show what is left of them.
    assert sink["encoding"] == {"codec": "text"}


def test_everything_that_names_a_try_is_taken_from_the_pods_annotations(vector):
    source = vector["transforms"]["named"]["source"]
    named = {"dag_id", *dict(identity.of(PATH).fields)}
    assert named <= labels.RESERVED_ANNOTATIONS
    for name in named:
        assert f".{name} = annotations.{name}" in source
    # As the reader asks for a task that is not mapped.
    unmapped = identity.of(PATH.replace("map_index=3/", "")).metadata["map_index"]
    assert f'annotations.map_index || "{unmapped}"' in source


def test_the_charts_side_of_it_names_the_same_loki_and_environment(vector):
    values = yaml.safe_load((CHART / "ci" / "collector-values.yaml").read_text())["logs"]["loki"]
    sink = vector["sinks"]["loki"]
    assert (values["url"], values["environment"]) == (sink["endpoint"], sink["labels"]["env"])
    assert values["collector"]
