"""Look into built images: what is installed, how large the layers are, whether they run.

Docker runs each image without a network, as its smoke test does.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from tradewind_tools import builder, command, console, sbom
from tradewind_tools.builder import Builder
from tradewind_tools.images import LIST, Pushed
from tradewind_tools.target import Target

MEBIBYTE = 2**20
SMOKE_TIMEOUT_S = 600.0
DISTRIBUTIONS = (
    "import importlib.metadata as m, json; "
    "print(json.dumps([[d.name, d.version] for d in m.distributions()]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One step of an image's Dockerfile that changed files."""

    size_bytes: int
    made_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one image holds."""

    pushed: Pushed
    packages: list[sbom.Package]
    layers: list[Layer]
    """The base first."""
    labels: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """Unpacked."""
        return sum(layer.size_bytes for layer in self.layers)


def read(target: Target, pushed: Pushed) -> Contents:
    """Look into an image that the registry has, pulling it where the builder does not.

    Raises:
        ToolError: Docker cannot run or pull it.

    """
    own, reference = builder.ensure(), _reference(target, pushed)
    _fetch(own, reference)
    shown = command.run([*own.docker, "image", "inspect", reference], timeout_s=60)
    (inspected,) = json.loads(shown)
    status = _inside(own, reference, "cat", "/var/lib/dpkg/status")
    return Contents(
        pushed=pushed,
        packages=sbom.debian_packages(status) + _python(own, reference),
        layers=layers(command.run([*own.docker, *HISTORY, reference], timeout_s=60)),
        labels=inspected["Config"].get("Labels") or {},
    )


HISTORY = ("history", "--no-trunc", "--human=false", "--format", "{{json .}}")


def layers(history: str) -> list[Layer]:
    """Return the layers that `docker history` tells, one JSON object a line, newest first."""
    found: list[dict[str, Any]] = [json.loads(line) for line in history.splitlines()]
    return [
        Layer(size_bytes=int(step["Size"]), made_by=" ".join(step["CreatedBy"].split()))
        for step in reversed(found)
        if int(step["Size"])
    ]


def write_bills(target: Target, pushed: list[Pushed]) -> list[Contents]:
    """Write each image's bill of materials below the target's folder."""
    found = []
    for item in pushed:
        with console.step(f"looking into image {item.image.repository}"):
            contents = read(target, item)
            subject = sbom.Subject(name=item.image.repository, version=item.tag, digest=item.digest)
            file = bill_file(target, item)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(sbom.bill(subject, contents.packages, labels=contents.labels))
        found.append(contents)
    return found


def bill_file(target: Target, pushed: Pushed) -> Path:
    """Return where the bill of an image is written."""
    return target.folder / "sbom" / f"{pushed.image.folder}.cdx.json"


def table(target: Target, contents: list[Contents]) -> Table:
    """Return sizes and where the bills are, for people."""
    shown = Table("image", "packages", "size", "largest layers, MiB", "bill of materials")
    for item in contents:
        largest = sorted(item.layers, key=lambda layer: -layer.size_bytes)[:3]
        shown.add_row(
            item.pushed.image.repository,
            str(len(item.packages)),
            f"{item.size_bytes / MEBIBYTE:.0f} MiB",
            "\n".join(f"{one.size_bytes / MEBIBYTE:.0f}  {one.made_by[:60]}" for one in largest),
            str(bill_file(target, item.pushed)),
        )
    return shown


def smoke(target: Target, pushed: Pushed) -> str:
    """Run the image's own smoke test; return what it says.

    Raises:
        ToolError: a claim does not hold.

    """
    own, reference = builder.ensure(), _reference(target, pushed)
    _fetch(own, reference)
    script = LIST.parent / pushed.image.folder / "smoke.sh"
    docker, *host = own.docker
    client = os.environ | {"DOCKER": docker} | ({"DOCKER_HOST": host[-1]} if host else {})
    return command.run([str(script), reference], timeout_s=SMOKE_TIMEOUT_S, environment=client)


def _reference(target: Target, pushed: Pushed) -> str:
    return f"{target.registry}/{pushed.image.repository}:{pushed.tag}"


def _fetch(own: Builder, reference: str) -> None:
    if not command.succeeds([*own.docker, "image", "inspect", reference]):
        command.run([*own.docker, "pull", "--quiet", reference], timeout_s=SMOKE_TIMEOUT_S)


def _inside(own: Builder, reference: str, program: str, *words: str) -> str:
    run = [*own.docker, "run", "--rm", "--network", "none", "--entrypoint", program, reference]
    return command.run([*run, *words], timeout_s=120)


def _python(own: Builder, reference: str) -> list[sbom.Package]:
    script = f"if command -v python >/dev/null; then python -Ic '{DISTRIBUTIONS}'; else echo []; fi"
    return sbom.python_packages(json.loads(_inside(own, reference, "sh", "-c", script)))
