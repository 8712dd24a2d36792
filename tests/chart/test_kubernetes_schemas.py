"""Every document against the JSON schemas of Kubernetes, oldest and newest supported."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from rendered import CASES, CUSTOM, task_templates

KUBERNETES_VERSIONS = ["1.30", "1.36"]


def judged(kubeconform, location, manifests):
    return subprocess.run(
        [kubeconform, "-strict", "-summary", "-output=json", f"-schema-location={location}"]
        + [f"-skip={','.join(CUSTOM)}"],
        input=manifests,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_accepts_every_document(render, version, schema_folder, kubeconform):
    """All cases at once: compiling the schemas is what takes time."""
    documents = [document for case in CASES for document in render(case)]
    documents += task_templates(documents)
    result = judged(kubeconform, schema_folder(version), yaml.safe_dump_all(documents))
    report = json.loads(result.stdout)
    assert result.returncode == 0, [r for r in report["resources"] if r["status"] != "statusValid"]
    custom = sum(document["kind"] in CUSTOM for document in documents)
    assert report["summary"]["skipped"] == custom, report
    assert report["summary"]["valid"] == len(documents) - custom, report


def test_schema_check_can_fail(schema_folder, kubeconform, render):
    manifests = yaml.safe_dump_all(render("default"))
    broken = manifests.replace("enableServiceLinks:", "enableServiceLink:")
    assert broken != manifests
    result = judged(kubeconform, schema_folder(KUBERNETES_VERSIONS[-1]), broken)
    assert result.returncode == 1
    assert "additional properties 'enableServiceLink' not allowed" in result.stdout
