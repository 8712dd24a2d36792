"""Kubernetes' JSON schemas as files that kubeconform reads, without a network.

The package `kubernetes-validate` carries the schemas of many Kubernetes versions, but addresses
them below /api: identifiers and references lead nowhere when read from a folder. A copy without
them does. kubeconform reports a schema that it cannot compile as one that it cannot find.

    python tests/chart/schemas.py FOLDER 1.30 1.36      writes FOLDER/1.30, FOLDER/1.36
"""

from __future__ import annotations

import importlib.resources
import re
import sys
from pathlib import Path

PACKAGED = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
IDENTIFIER = re.compile(r'^  "\$id": "[^"]*",?\n', re.MULTILINE)
REFERENCE = '"/api/_definitions.json#'


def write(folder: Path, *, version: str) -> str:
    """Write the strict schemas of one Kubernetes version and return kubeconform's location of them.

    Raises FileNotFoundError when the installed package does not know that version.
    """
    source = PACKAGED / f"v{version}.0-local-strict"
    if not source.is_dir():
        raise FileNotFoundError(
            f"kubernetes-validate has no schemas of Kubernetes {version}: install a newer one"
        )
    target = folder / version
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        text = entry.read_text(encoding="utf-8").replace(REFERENCE, '"_definitions.json#')
        # A trailing comma is left when the identifier was the last member.
        text = re.sub(r",(\s*\})\s*\Z", r"\1\n", IDENTIFIER.sub("", text))
        (target / entry.name).write_text(text, encoding="utf-8")
    return f"{target}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


if __name__ == "__main__":
    for wanted in sys.argv[2:]:
        print(write(Path(sys.argv[1]), version=wanted))  # noqa: T201 a command's output
