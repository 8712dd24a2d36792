"""The chart's configuration of its own Loki, judged by Loki itself."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from loki_server import _program

CHART = Path(__file__).parents[2] / "chart"
EVERYTHING = Path(__file__).parents[1] / "chart" / "values" / "everything-on.yaml"


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--set=loki.enabled=true"], id="defaults"),
        pytest.param([f"--values={EVERYTHING}"], id="everything"),
    ],
)
def test_the_charts_configuration_is_one_that_loki_takes(tmp_path, words):
    command = [os.environ["HELM4"], "template", "tradewind", str(CHART)]
    rendered = subprocess.run(
        [*command, "--show-only=templates/loki/configmap.yaml", "--api-versions=v1/Secret", *words],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    file = tmp_path / "loki.yaml"
    file.write_text(yaml.safe_load(rendered)["data"]["loki.yaml"])
    judged = subprocess.run(
        [str(_program()), f"-config.file={file}", "-verify-config"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stderr
