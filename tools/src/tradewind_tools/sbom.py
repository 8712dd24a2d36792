"""What is inside an image, as a CycloneDX bill of materials: Debian packages and Python ones.

Pure. The same image gives the same text: no clock, and a serial number made from its digest.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cyclonedx.contrib.hash.factories import HashTypeFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tradewind_tools.errors import WorkFailedError

VERSION = SchemaVersion.V1_6
"""Read by every scanner of today; 1.7 adds nothing that we tell."""
INSTALLED = "install ok installed"
NAMESPACE = uuid.UUID("5f1d0a4e-7d55-4e63-9a1b-6d9c3f0f2a70")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The image that a bill is about."""

    name: str
    """Its repository."""
    version: str
    """Its tag."""
    digest: str
    """`sha256:` and 64 hexadecimal digits."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One installed package."""

    kind: str
    """`deb` or `pypi`."""
    name: str
    version: str
    architecture: str = ""
    """Of a Debian package."""

    @property
    def purl(self) -> PackageURL:
        """Name for scanners."""
        if self.kind == "deb":
            arch = {"arch": self.architecture}
            return PackageURL("deb", "debian", self.name, self.version, qualifiers=arch)
        return PackageURL("pypi", None, self.name.lower().replace("_", "-"), self.version)


def debian_packages(status: str) -> list[Package]:
    """Return the packages of a /var/lib/dpkg/status that are installed, in order."""
    found = []
    for paragraph in status.split("\n\n"):
        lines = (line.partition(": ") for line in paragraph.splitlines() if line[:1].strip())
        fields = {name: value for name, _, value in lines}
        if fields.get("Status") == INSTALLED:
            found.append(
                Package("deb", fields["Package"], fields["Version"], fields["Architecture"])
            )
    return sorted(found)


def python_packages(distributions: Iterable[tuple[str, str]]) -> list[Package]:
    """Return what (name, version) pairs of installed distributions say, in order."""
    return sorted({Package("pypi", name, version) for name, version in distributions})


def bill(subject: Subject, packages: Iterable[Package], *, labels: Mapping[str, str]) -> str:
    """Return the bill as JSON.

    Raises:
        WorkFailedError: it does not keep to the schema.

    """
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, subject.digest))
    bom.metadata.component = Component(
        name=subject.name,
        version=subject.version,
        type=ComponentType.CONTAINER,
        bom_ref=f"{subject.name}@{subject.digest}",
        hashes=[HashTypeFactory().from_composite_str(subject.digest)],
        properties=[Property(name=name, value=value) for name, value in sorted(labels.items())],
    )
    for package in packages:
        bom.components.add(
            Component(
                name=package.name,
                version=package.version,
                type=ComponentType.LIBRARY,
                purl=package.purl,
                bom_ref=str(package.purl),
            )
        )
    bom.register_dependency(bom.metadata.component, bom.components)
    written: dict[str, Any] = json.loads(
        make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string()
    )
    # When it was written is not about the image.
    del written["metadata"]["timestamp"]
    text = json.dumps(written, indent=1, sort_keys=True)
    if error := JsonStrictValidator(VERSION).validate_str(text):
        raise WorkFailedError(f"the bill of {subject.name} breaks CycloneDX' schema: {error}")
    return f"{text}\n"
