"""What makes two renders differ: nothing by itself, and only what has to with a change."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import yaml
from rendered import CASES, CHART, LOADER, STARTS_PODS, Document, task_templates

from conftest import helm_template


def test_ten_renders_are_the_same_once_secrets_are_given(template):
    file = CHART / "ci" / "gitops-values.yaml"
    first, *others = (template(f"--values={file}") for _ in range(10))
    assert first.returncode == 0, first.stderr
    assert {other.stdout for other in others} == {first.stdout}


@pytest.mark.parametrize("case", CASES)
def test_both_helm_versions_render_the_same(render_with, case):
    def objects(helm: str) -> dict[tuple[str, str, str], Document]:
        return {
            (d["kind"], d["metadata"].get("namespace", ""), d["metadata"]["name"]): d
            # What is generated differs each time; its keys may not.
            | ({"data": sorted(d["data"])} if d["kind"] == "Secret" else {})
            for d in render_with(helm, case)
        }

    assert objects("HELM3") == objects("HELM4")


def test_a_release_with_the_same_images_restarts_nothing(tmp_path):
    digests = [
        f"--set={path}.digest=sha256:{'0' * 64}"
        for path in ("image", "gitSync.image", "postgresql.image", "pgbouncer.image")
        + ("loki.image", "janitor.image", "metrics.image")
    ]
    file = CASES["everything-on"]

    def started(version: str) -> dict[tuple[str, str], Document]:
        chart = tmp_path / version
        shutil.copytree(CHART, chart)
        about = yaml.safe_load((chart / "Chart.yaml").read_text())
        about |= {"version": version, "appVersion": version}
        (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
        tags = [word.replace(".digest=sha256:" + "0" * 64, f".tag={version}") for word in digests]
        done = helm_template("HELM4", f"--values={file}", *digests, *tags, chart=chart)
        assert done.returncode == 0, done.stderr
        documents = [document for document in yaml.load_all(done.stdout, LOADER) if document]
        versions = {
            d["metadata"].get("labels", {}).get("app.kubernetes.io/version") for d in documents
        }
        assert version in versions
        return {
            (d["kind"], d["metadata"]["name"]): d["spec"]
            for d in documents
            if d["kind"] in STARTS_PODS
        } | {("Pod", "task"): task_templates(documents)[0]}

    assert started("1.4.2") == started("1.4.3")


def test_migration_job_is_named_by_its_content(template, render):
    def name(documents: list[Document]) -> str:
        (job,) = (d for d in documents if d["kind"] == "Job")
        assert "helm.sh/hook" not in job["metadata"].get("annotations", {})
        return str(job["metadata"]["name"])

    def after(*arguments: str) -> str:
        return name([d for d in yaml.safe_load_all(template(*arguments).stdout) if d])

    assert name(render("default")) == after()
    assert name(render("default")) == after("--set=scheduler.replicas=3")
    assert name(render("default")) != after("--set=image.tag=next")


def test_config_change_restarts_components_and_task_change_does_not(template):
    def checksums(*arguments: str) -> dict[str, Any]:
        documents = [d for d in yaml.safe_load_all(template(*arguments).stdout) if d]
        return {
            d["metadata"]["name"]: d["spec"]["template"]
            for d in documents
            if d["kind"] == "Deployment"
        }

    before = checksums()
    config = checksums("--set=airflow.config.core.parallelism=3")
    task = checksums("--set=executor.podTemplate.env.X=1")
    assert before.keys() == config.keys()
    assert not [name for name in before if before[name] == config[name]]
    assert before == task
