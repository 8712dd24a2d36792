"""A table of a document is found by its head and replaced as a whole."""

import pytest

from tradewind_tools import tables

DOCUMENT = """# Title

| a | b |
|---|---|
| 1 | 2 |
| 3 | 4 |

Text.

| c |
|---|
"""


def test_the_table_with_that_head_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "document.md"
    path.write_text(DOCUMENT)
    tables.write(path, "| a | b |\n|---|---|\n| 5 | 6 |\n")
    assert path.read_text() == DOCUMENT.replace("| 1 | 2 |\n| 3 | 4 |", "| 5 | 6 |")


@pytest.mark.parametrize(("document", "count"), [("no table\n", 0), (f"{DOCUMENT}\n{DOCUMENT}", 2)])
def test_a_document_in_which_the_place_is_not_known_is_left_alone(document, count):
    with pytest.raises(ValueError, match=f"^{count} tables begin with"):
        tables.replace(document, "| a | b |\n|---|---|\n")
