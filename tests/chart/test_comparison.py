"""The page that compares charts says what the tests say."""

from __future__ import annotations

import compare


def test_every_test_that_a_row_names_exists():
    named = [proof for row in compare.rows() for proof in row[5].get("proof", [])]
    assert named
    assert [proof for proof in named if not compare.exists(proof)] == []


def test_every_row_is_there_and_has_a_proof_or_a_reason():
    rows = compare.rows()
    assert [row[0] for row in rows] == list(range(1, 101))
    assert [row[0] for row in rows if len(row[5]) != 1] == []


def test_the_page_is_the_one_that_its_command_writes():
    """Whether the tests pass is seen when they run: here that nothing was written by hand."""
    assert compare.PAGE.read_text() == compare.page(compare.own_proofs())


def test_a_row_whose_test_fails_is_no_longer_ticked():
    proofs = compare.own_proofs() - {"test_stability.py::test_both_helm_versions_render_the_same"}
    assert "| Tested with Helm 4 | N | N | N | no | its test fails |" in compare.page(proofs)
