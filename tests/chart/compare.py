"""Write docs/chart-comparison.md: ours is `yes` where the row's tests pass.

    python tests/chart/compare.py      runs the tests of tests/chart that rows name, then writes

Tests of other tiers count when they exist: their own tier runs them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "chart-comparison.md"
HEAD = """# Compared with other charts

O is Airflow's official chart (1.22 and its main branch), C the community's (8.9.0), A Astronomer's
(1.18.8). Y yes, D by default, P partly, N no, - not applicable, ? not established; a version is
the first that has it. The last two columns are ours: `yes` is written by `./task chart:compare`
where the tests of the row pass (`tests/chart/comparison.yaml` names them); the others say why not.

| # | feature | O | C | A | ours | |
|---|---|---|---|---|---|---|
"""

Row = list[Any]


def rows() -> list[Row]:
    """Return number, feature, three other charts, and proof or reason of every row."""
    found: list[Row] = yaml.safe_load((HERE / "comparison.yaml").read_text())
    return found


def own_proofs() -> set[str]:
    """Return the proofs that are tests of this folder."""
    proofs = {proof for row in rows() for proof in row[5].get("proof", [])}
    return {proof for proof in proofs if "/" not in proof}


def exists(proof: str) -> bool:
    """Tell whether the file of a proof has the test."""
    file, _, test = proof.partition("::")
    path = HERE.parent / file if "/" in file else HERE / file
    return path.is_file() and (not test or f"def {test}(" in path.read_text())


def page(passed: set[str]) -> str:
    """Return the page when these tests of this folder pass."""
    lines = []
    for number, feature, *others, ours in rows():
        proof = ours.get("proof", [])
        yes = bool(proof) and all(p in passed if "/" not in p else exists(p) for p in proof)
        said = ", ".join(f"`{p}`" for p in proof) if yes else ours.get("reason", "its test fails")
        cells = [number, feature, *others, "yes" if yes else "no", said]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def passing() -> set[str]:
    """Run the proofs of this folder; return those of which every case passed."""
    with TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        words = [f"tests/chart/{proof}" for proof in sorted(own_proofs())]
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *words]
        subprocess.run(command, cwd=HERE.parents[1], check=False)
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - written by pytest
    ran, failed = set(), set()
    for case in cases:
        file, test = case.get("classname", "").rpartition(".")[2], case.get("name", "")
        name = f"{file}.py::{test.split('[')[0]}"
        ran.add(name)
        if any(child.tag in {"failure", "error", "skipped"} for child in case):
            failed.add(name)
    return ran - failed


if __name__ == "__main__":
    PAGE.write_text(page(passing()))
