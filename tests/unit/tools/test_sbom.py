import json

import pytest

from tradewind_tools import images, sbom
from tradewind_tools.errors import WorkFailedError

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
SUBJECT = sbom.Subject(name="tradewind/web", version="src-1", digest=DIGEST)
STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.3.1-2
Description: library
 in several lines
 Version: 9

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2+b1
"""


def test_debian_packages_are_those_that_are_installed():
    assert sbom.debian_packages(STATUS) == [
        sbom.Package("deb", "bash", "5.2+b1", "amd64"),
        sbom.Package("deb", "zlib1g", "1:1.3.1-2", "amd64"),
    ]


def test_a_distribution_that_is_found_twice_is_told_once():
    found = sbom.python_packages([("aiohttp", "3.12"), ("Babel", "2.1"), ("aiohttp", "3.12")])
    assert [package.name for package in found] == ["Babel", "aiohttp"]


@pytest.mark.parametrize(
    ("package", "purl"),
    [
        (sbom.Package("deb", "bash", "5.2+b1", "amd64"), "pkg:deb/debian/bash@5.2%2Bb1?arch=amd64"),
        (sbom.Package("pypi", "Flask_AppBuilder", "5.0"), "pkg:pypi/flask-appbuilder@5.0"),
    ],
)
def test_scanners_know_a_package_by_its_purl(package, purl):
    assert str(package.purl) == purl


def a_bill():
    packages = [*sbom.debian_packages(STATUS), sbom.Package("pypi", "aiohttp", "3.12")]
    return sbom.bill(SUBJECT, packages, labels={"org.opencontainers.image.title": "Web"})


def test_a_bill_says_what_is_inside_and_of_which_image():
    told = json.loads(a_bill())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    about = told["metadata"]["component"]
    assert (about["name"], about["version"], about["type"]) == (
        "tradewind/web",
        "src-1",
        "container",
    )
    assert about["hashes"] == [{"alg": "SHA-256", "content": DIGEST.removeprefix("sha256:")}]
    assert [part["name"] for part in told["components"]] == ["aiohttp", "bash", "zlib1g"]
    (inside,) = [d["dependsOn"] for d in told["dependencies"] if d["ref"] == about["bom-ref"]]
    assert inside == sorted(part["bom-ref"] for part in told["components"])


def test_the_same_image_has_the_same_bill_at_any_time():
    assert a_bill() == a_bill()
    assert "timestamp" not in a_bill()


def test_a_bill_that_breaks_the_schema_is_no_bill(monkeypatch):
    monkeypatch.setattr(
        sbom.JsonStrictValidator, "validate_str", lambda *_: "component without a name"
    )
    with pytest.raises(WorkFailedError, match="bill of tradewind/web breaks CycloneDX' schema"):
        a_bill()


def labels_of(dockerfile):
    text = dockerfile.read_text().rpartition("\nFROM ")[2]
    pairs = text.partition("LABEL ")[2].replace("\\\n", " ").split('" ')
    return {key.strip(): value.strip(' "\n') for key, _, value in (p.partition("=") for p in pairs)}


@pytest.mark.parametrize("image", images.listed(), ids=lambda image: image.folder)
def test_every_image_says_what_it_is_and_has_a_smoke_test(image):
    folder = images.LIST.parent / image.folder
    found = labels_of(folder / "Dockerfile")
    for label in ("title", "description", "licenses", "base.name"):
        assert found[f"org.opencontainers.image.{label}"]
    # Ours comes with the build; whatever else changed with a release would restart its pods.
    assert bool(found.get(images.VERSION_LABEL)) is not image.needs_wheel
    smoke = folder / "smoke.sh"
    assert smoke.stat().st_mode & 0o100, f"{smoke} cannot be run"
