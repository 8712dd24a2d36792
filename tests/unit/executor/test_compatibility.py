"""docs/compatibility.md promises rows, and pages name tests: both are checked here."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^\| ([UW]\d+) \|")
STATES = {"done", "different", "not yet"}


def rows():
    """Return {row: (state, note, node ids)} in the order of the page."""
    found = {}
    for line in (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8").splitlines():
        if match := ROW.match(line):
            _, _, _, state, note, proofs, _ = (cell.strip() for cell in line.split("|"))
            found[match[1]] = (state, note, re.findall(r"`([^`]+)`", proofs))
    return found


ROWS = rows()


def test_every_row_is_there_once_and_in_order():
    assert list(ROWS) == [*(f"U{n}" for n in range(1, 37)), *(f"W{n}" for n in range(1, 24))]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_a_state_and_what_the_state_asks_for(row):
    state, note, proofs = ROWS[row]
    assert state in STATES
    assert proofs or state == "not yet", "what is there is proved by a test"
    assert note or state != "different", "what differs has a reason"


@functools.cache
def functions_of(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


NODE_ID = re.compile(r"`(tests/[\w/]+\.py::\w+)`")


def named_on_other_pages():
    """Return the node ids of tests that pages other than compatibility.md name."""
    pages = (ROOT / "docs").glob("*.md")
    return {one for page in pages for one in NODE_ID.findall(page.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    "node_id",
    sorted({one for _, _, proofs in ROWS.values() for one in proofs} | named_on_other_pages()),
)
def test_a_named_test_exists(node_id):
    path, _, function = node_id.partition("::")
    assert (ROOT / path).is_file()
    assert function in functions_of(path)


def test_the_tests_that_the_security_page_names_exist():
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    (head,) = (line for line in page.splitlines() if line.startswith("| a thief tries"))
    *_, issued, kubelets = re.findall(r"`(tests/[^`]+)`", head)
    rows = [line.split("|") for line in page.splitlines() if re.search(r"`test_\w+`", line)]
    assert len(rows) > 10
    for *_, by_issued, by_kubelets, _ in rows:
        assert set(re.findall(r"`(test_\w+)`", by_issued)) <= functions_of(issued)
        assert set(re.findall(r"`(test_\w+)`", by_kubelets)) <= functions_of(kubelets)
