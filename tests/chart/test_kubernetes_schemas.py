"""Every document against schemas: of Kubernetes, oldest and newest supported, and of others."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml
from rendered import CASES, CUSTOM, task_templates

KUBERNETES_VERSIONS = ["1.30", "1.36"]


def judged(kubeconform, locations, manifests):
    return subprocess.run(
        [kubeconform, "-strict", "-summary", "-output=json", *locations],
        input=manifests,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_accepts_every_document(render, version, schemas, kubeconform):
    """All cases at once: compiling the schemas is what takes time."""
    documents = [document for case in CASES for document in render(case)]
    documents += task_templates(documents)
    result = judged(kubeconform, schemas(version), yaml.safe_dump_all(documents))
    report = json.loads(result.stdout)
    assert result.returncode == 0, [r for r in report["resources"] if r["status"] != "statusValid"]
    assert report["summary"]["valid"] == len(documents), report
    assert {document["kind"] for document in documents} >= CUSTOM


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        pytest.param("Pod", ("enableServiceLinks", "enableServiceLink"), id="pod"),
        pytest.param("HTTPRoute", ("parentRefs", "parentRef"), id="gateway"),
        pytest.param("ServiceMonitor", ("endpoints", "endpoint"), id="prometheus"),
    ],
)
def test_schema_check_can_fail(schemas, kubeconform, render, kind, wrong):
    documents = [one for one in render("everything-on") if one["kind"] == kind]
    manifests = yaml.safe_dump_all(documents)
    broken = manifests.replace(f"{wrong[0]}:", f"{wrong[1]}:")
    assert broken != manifests
    result = judged(kubeconform, schemas(KUBERNETES_VERSIONS[-1]), broken)
    assert result.returncode == 1
    assert f"additional properties '{wrong[1]}' not allowed" in result.stdout
