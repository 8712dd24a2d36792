"""The images that the release runs: their own claims, and what their bills of materials say."""

import json

import pytest

from tradewind_tools import image_contents, images

pytestmark = pytest.mark.timeout(900)
TITLE = "org.opencontainers.image.title"


@pytest.fixture(scope="module")
def pushed(target):
    return {item.image.folder: item for item in images.push(target)}


@pytest.mark.parametrize("folder", [image.folder for image in images.listed()])
def test_every_image_keeps_its_claims(target, pushed, folder):
    if folder not in pushed:
        pytest.skip(f"its program is not built: images/{folder}/README.md says how")
    said = image_contents.smoke(target, pushed[folder]).splitlines()
    assert len([line for line in said if line.startswith("ok   ")]) >= 5
    assert not [line for line in said if line.startswith("FAIL")]


def test_bills_say_what_is_inside_and_layers_what_is_large(target, pushed):
    contents = image_contents.write_bills(target, list(pushed.values()))
    inside = {}
    for item in contents:
        file = image_contents.bill_file(target, item.pushed)
        inside[item.pushed.image.folder] = {
            part["purl"].partition("@")[0] for part in json.loads(file.read_text())["components"]
        }
        assert item.labels[TITLE].startswith("Tradewind ")
        assert item.size_bytes > sum(layer.size_bytes for layer in item.layers[:1]) > 0
    assert inside["airflow"] >= {
        "pkg:pypi/apache-airflow",
        "pkg:pypi/airflow-tradewind",
        "pkg:deb/debian/python3",
    }
    assert "pkg:pypi/airflow-tradewind" in inside["janitor"]
    assert "pkg:pypi/apache-airflow" not in inside["janitor"]
    assert "pkg:deb/debian/postgresql-17" in inside["postgresql"]
    assert "pkg:deb/debian/pgbouncer" in inside["pgbouncer"]
