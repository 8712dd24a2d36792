"""Write coordinates of images into a chart's values.yaml, and nothing else. Pure.

Line by line, so that comments, which are the chart's documentation, stay; the result is read back
and compared with what was wanted.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tradewind_tools.errors import ToolError

LINE = re.compile(r"^( *)([A-Za-z][\w-]*):(?: (.*))?$")


def bake(text: str, *, values: Mapping[str, Mapping[str, str]]) -> str:
    """Return the text with path -> {key: value} written over the defaults of those keys.

    Raises:
        ToolError: a path is not in the text, or has no line of its own for a key.

    """
    wanted = {
        f"{path}.{key}": value for path, keys in values.items() for key, value in keys.items()
    }
    lines: list[str] = []
    way: list[str] = []
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            depth = len(found[1]) // 2
            way = [*way[:depth], found[2]]
            if (path := ".".join(way)) in wanted:
                line = f"{found[1]}{found[2]}: {json.dumps(wanted[path])}"  # noqa: PLW2901
        lines.append(line)
    baked = "\n".join(lines) + "\n"
    _require(baked, text=text, wanted=wanted)
    return baked


def _require(baked: str, *, text: str, wanted: Mapping[str, str]) -> None:
    expected = yaml.safe_load(text)
    for path, value in wanted.items():
        *parents, last = path.split(".")
        place: Any = expected
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise ToolError(f"chart/values.yaml has no {path}: correct images/images.yaml")
        place[last] = value
    if yaml.safe_load(baked) != expected:
        raise ToolError(
            "chart/values.yaml cannot take the images' coordinates line by line: give each of "
            "registry, repository, tag and digest a line of its own"
        )
