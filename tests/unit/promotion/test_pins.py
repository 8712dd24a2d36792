"""release.yaml: written one way, read strictly."""

import dataclasses

import pytest
from estate import EMPTY, a_pin, with_origin

from tradewind.promotion import pins
from tradewind.promotion.findings import UnusableError

IMAGE = {"airflow": f"registry.example.com/airflow@sha256:{'0' * 64}"}
TEXT = pins.dump(a_pin(images=IMAGE))


def test_what_is_written_is_read_back():
    pin = a_pin(images=IMAGE, promoted_from="dev", reversible="true")
    assert pins.parse(pins.dump(pin), path="p") == pin


def test_an_environment_may_have_no_release_yet():
    assert pins.parse(EMPTY, path="p") is None


def test_where_a_release_came_from_is_no_part_of_it():
    assert a_pin().same_release(with_origin(a_pin(), "dev"))
    assert not a_pin().same_release(a_pin("1.0.1"))
    assert not a_pin().same_release(None)


@pytest.mark.parametrize("key", ["chartDigest", "gitCommit", "chart"])
def test_a_key_that_is_missing_is_named(key):
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith(f"  {key}:"))
    with pytest.raises(UnusableError, match=rf"^env/release.yaml lacks data.{key}: take the file"):
        pins.parse(text, path="env/release.yaml")


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("chartVersion: 1.0.0", "chartVersion: 1.0", r"data.chartVersion 1.0, which is not text"),
        ("chartVersion: 1.0.0", "chartVersion: v1.0.0", r"'v1.0.0', which is not a version"),
        ("chart: oci://", "chart: https://", r"which is not oci://HOST/PATH"),
        ("sha256:", "sha512:", r"data.chartDigest 'sha512:.*, which is not sha256"),
        ("reversible: 'false'", "reversible: 'yes'", r"'yes', which is not 'true' or 'false'"),
        ("appVersion:", "surprise: a\n  appVersion:", r"the unknown key data.surprise"),
        (f"@sha256:{'0' * 64}", ":latest", r"data.image.airflow .* which is not IMAGE@sha256"),
        ("kind: ConfigMap", "kind: Secret", r"is no ConfigMap with data"),
        ("data:", "data: [", r"is not YAML in line"),
        (TEXT, "", r"is no ConfigMap with data"),
    ],
)
def test_a_malformed_file_is_refused_with_the_key(before, after, problem):
    assert before in TEXT
    with pytest.raises(UnusableError, match=problem):
        pins.parse(TEXT.replace(before, after, 1), path="p")


def test_versions_sort_as_semantic_versioning_says():
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    ordered += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0"]
    assert [pins.precedence(version) for version in ordered] == sorted(
        map(pins.precedence, ordered[::-1])
    )


def test_every_field_of_a_pin_is_written():
    names = {attribute for attribute, _, _ in pins.KEYS.values()} | {"images"}
    assert names == {field.name for field in dataclasses.fields(pins.Pin)}
