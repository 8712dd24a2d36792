"""The cases that docs/janitor.md lists are those that the tests create."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "janitor.md"
CASES = ROOT / "tests" / "integration" / "test_janitor_orphans.py"


def test_every_case_is_documented_and_every_documented_case_is_created():
    rows = [line for line in PAGE.read_text().splitlines() if "*orphans* [" in line]
    told = {name for row in rows for name in re.search(r"\[(.+?)\]", row)[1].split(", ")}
    created = set(re.findall(r'^    "([a-z-]+)": Case\(', CASES.read_text(), re.MULTILINE))
    # The second pod of a try goes with its first.
    assert told == {name for name in created if not name.endswith("-again")}
