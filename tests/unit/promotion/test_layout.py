"""The environments of this repository: small, alike, and read by every part in the same way."""

from pathlib import Path

import pytest
import yaml

from tradewind.promotion import drift, order, pins

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "environments"
NAMES = order.parse((ROOT / order.PATH).read_text()).names
SHARED = {"dev": {"local-cluster.yaml", "local-loki.yaml"}}
"""Files that only one environment has, and who reads them is not the cluster."""


def test_every_folder_is_in_the_order():
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == {"base", *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_says_only_what_differs(name):
    text = (FOLDER / name / "values.yaml").read_text()
    assert len(text.splitlines()) < 60
    assert drift.load(text, path=name)


@pytest.mark.parametrize("name", NAMES)
def test_the_release_is_none_or_a_whole_one(name):
    pins.parse((ROOT / order.release_path(name)).read_text(), path=name)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_can_be_copied_because_no_file_says_its_name(name):
    files = {path.name for path in (FOLDER / name).iterdir()} - SHARED.get(name, set())
    assert files == {"kustomization.yaml", "release.yaml", "values.yaml"}
    first = (FOLDER / NAMES[0] / "kustomization.yaml").read_text()
    assert (FOLDER / name / "kustomization.yaml").read_text() == first


def test_both_engines_read_the_values_that_promote_renders():
    text = (FOLDER / "base/argocd/applicationset.yaml").read_text()
    template = yaml.safe_load(text)["spec"]["template"]["spec"]["sources"][0]
    files = [path.removeprefix("$values/") for path in template["helm"]["valueFiles"]]
    assert files == list(order.values_paths("{{.path.basename}}"))
    (release,) = yaml.safe_load_all((FOLDER / "base/flux/release.yaml").read_text())
    maps = [source["name"] for source in release["spec"]["valuesFrom"]]
    assert maps == ["tradewind-values-base", "tradewind-values-env"]


def test_the_pins_that_the_applicationset_reads_are_written():
    text = (FOLDER / "base/argocd/applicationset.yaml").read_text()
    read = {part.split()[0].rstrip("}") for part in text.split(".data.")[1:]}
    assert read <= pins.KEYS.keys()
