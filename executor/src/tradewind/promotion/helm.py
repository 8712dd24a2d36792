"""Render a chart by the helm program, as the engines would, without looking into a cluster."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tradewind.promotion.findings import RefusedError, UnusableError
from tradewind.promotion.programs import run

RELEASE = "tradewind"
KUBERNETES = "1.36.0"
"""What Helm assumes: the newest that the chart supports, not the one of Helm's own build."""


def template(chart: bytes | Path, *, environment: str, values: Sequence[str]) -> str:
    """Return the manifests of a chart (its archive, or a folder) with values laid over each other.

    Raises:
        RefusedError: the chart refuses the values; Helm's own words say which.
        UnusableError: no helm.

    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(chart, bytes):
            path = Path(folder, "chart.tgz")
            path.write_bytes(chart)
        else:
            path = chart
        program = os.environ.get("HELM") or "helm"
        command = [program, "template", RELEASE, str(path), f"--namespace=airflow-{environment}"]
        # Secrets are named by the values; the chart must not think that it may make them.
        command += [f"--kube-version={KUBERNETES}", "--api-versions=v1/Secret"]
        for number, text in enumerate(values):
            file = Path(folder, f"{number}.yaml")
            file.write_text(text, encoding="utf-8")
            command.append(f"--values={file}")
        try:
            return run(command, failure=RefusedError)
        except RefusedError as error:
            said = str(error).partition("failed: ")[2] or str(error)
            raise RefusedError(
                f"the chart does not take the values of {environment}: {said.strip()}"
            ) from error


def version() -> str:
    """Return helm's version; raises UnusableError when there is none."""
    return run([os.environ.get("HELM") or "helm", "version", "--short"], failure=UnusableError)
