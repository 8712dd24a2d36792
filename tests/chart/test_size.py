"""The chart stays as small as docs/decisions/0008 says."""

import re

from rendered import CHART

MOST_LINES = 3000
COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


def lines(text):
    """Return the lines that are neither blank nor comment."""
    stripped = (line.strip() for line in COMMENT.sub("", text).splitlines())
    return [line for line in stripped if line and line != "---" and not line.startswith("#")]


def test_templates_can_be_read_in_an_afternoon():
    files = [file for file in (CHART / "templates").rglob("*") if file.is_file()]
    counted = {file.name: len(lines(file.read_text())) for file in files}
    assert len(files) > 50
    assert sum(counted.values()) <= MOST_LINES
    # The widest file is a table of who may talk to whom.
    assert max(counted.values()) <= 250
