"""Write the executor's table of pod fields from the models of the installed Kubernetes client.

Run after an update of the client: `python -m tradewind_tools.pod_fields`. A unit test compares the
file with the models, so that it cannot be forgotten.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

TARGET = Path(__file__).parents[3] / "executor/src/tradewind/pods/pod_fields.json"
_MODEL = re.compile(r"\w*V\d\w+")


def table() -> dict[str, dict[str, str]]:
    """Return the fields of every type a pod's specification is made of, with their types."""
    from kubernetes.client import models  # noqa: PLC0415 - takes seconds

    found: dict[str, dict[str, str]] = {"V1PodStatus": {}}  # the server's, not ours to check
    waiting = ["V1Pod"]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        model = getattr(models, name)
        found[name] = {
            model.attribute_map[attribute]: kind for attribute, kind in model.openapi_types.items()
        }
        waiting += [part for kind in found[name].values() for part in _MODEL.findall(kind)]
    del found["V1PodStatus"]
    return dict(sorted(found.items()))


def text() -> str:
    """Return the file's content: one type in a line."""
    lines = [f'"{name}": {json.dumps(fields)}' for name, fields in table().items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
