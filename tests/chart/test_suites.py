"""The helm-unittest suites beside this file, which mirror chart/templates folder by folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
CHART = HERE.parents[1] / "chart"


def test_every_suite_passes(helm_unittest):
    suites = sorted(HERE.glob("*/*_test.yaml"))
    assert suites, "no suites beside this file"
    # From inside the chart: from elsewhere the program finds no suite and reports success.
    result = subprocess.run(
        [helm_unittest, "--strict", "--file=../tests/chart/*/*_test.yaml", "."],
        cwd=CHART,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    counted = re.search(r"^Test Suites: (\d+) passed, (\d+) total$", result.stdout, re.MULTILINE)
    assert counted, result.stdout
    assert counted.groups() == (str(len(suites)), str(len(suites)))


def test_suites_mirror_the_templates():
    templates = CHART / "templates"
    suites = {suite.relative_to(HERE) for suite in HERE.glob("*/*_test.yaml")}
    for suite in suites:
        template = templates / suite.parent / suite.name.replace("_test.yaml", ".yaml")
        assert template.is_file(), f"{suite} tests no template of the chart"
    folders = {folder.name for folder in templates.iterdir() if folder.is_dir()}
    assert folders == {suite.parent.name for suite in suites}
