"""The link that opens a try's log in Grafana."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tradewind.logs import grafana, identity

PATH = "dag_id=etl/run_id=manual__2026-01-01T00:00:00+00:00/task_id=a.b/map_index=3/attempt=2.log"


@pytest.mark.parametrize("url", ["https://g.example", "https://g.example/"])
def test_the_link_holds_the_whole_query_and_its_range(url):
    logql = identity.of(PATH).query("pröd & co")
    made = grafana.link(url, datasource="P1", logql=logql, start_ns=1_500_001, end_ns=2_500_001)
    parts = urlsplit(made)
    assert (parts.netloc, parts.path) == ("g.example", "/explore")
    asked = parse_qs(parts.query)
    assert asked["schemaVersion"] == ["1"]
    (pane,) = json.loads(asked["panes"][0]).values()
    (query,) = pane["queries"]
    assert query["expr"] == logql
    assert query["datasource"] == {"type": "loki", "uid": "P1"}
    assert pane["range"] == {"from": "1", "to": "3"}


def test_the_link_is_one_word_of_plain_characters():
    made = grafana.link(
        "https://g.example", datasource="P1", logql='{a="ü \\" b"}', start_ns=0, end_ns=1
    )
    assert made.isascii()
    assert not set(made) & set(' "<>{}|\\^`')
