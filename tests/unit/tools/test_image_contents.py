"""Sizes and layers as Docker tells them."""

import json

from tradewind_tools import image_contents

HISTORY = [
    {"Size": "0", "CreatedBy": 'LABEL a="b"'},
    {"Size": "2097152", "CreatedBy": "COPY /opt/executor /opt/airflow   # buildkit"},
    {"Size": "74800000", "CreatedBy": "/bin/sh -c #(nop) ADD file:1 in /"},
]


def test_layers_are_those_that_hold_files_the_base_first():
    found = image_contents.layers("\n".join(json.dumps(step) for step in HISTORY))
    assert [layer.size_bytes for layer in found] == [74800000, 2097152]
    assert found[1].made_by == "COPY /opt/executor /opt/airflow # buildkit"
