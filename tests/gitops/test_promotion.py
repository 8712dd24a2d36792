"""A release on its way from dev to prod: real registry, real chart, real Helm and Kustomize."""

import json

import pytest
import yaml
from estate import ago, with_origin

from tradewind.promotion.pins import parse

NAMES = ["dev", "staging", "prod"]


@pytest.fixture
def first(release_chart):
    return release_chart("7.0.0", database_revision="aaa")


def merged(estate, branch):
    """Merge a branch as a forge does, with a merge commit on main."""
    estate.git("fetch", "--quiet", "origin")
    estate.git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
    estate.git("push", "--quiet", "origin", "HEAD:main")
    return estate.git("rev-parse", "HEAD")


@pytest.mark.parametrize("name", NAMES)
def test_flux_gets_chart_version_and_digest_of_the_release(estate, kustomized, first, name):
    estate.release(name, first)
    documents = kustomized(name)
    kinds = sorted(document["kind"] for document in documents)
    assert kinds == ["ConfigMap", "ConfigMap", "HelmRelease", "OCIRepository"]
    (source,) = [one["spec"] for one in documents if one["kind"] == "OCIRepository"]
    assert source["url"] == first.chart
    assert source["ref"] == {"tag": "7.0.0", "digest": first.chart_digest}
    values = {one["metadata"]["name"]: one["data"] for one in documents if "data" in one}
    for map_name, path in (("base", "base/values"), ("env", name)):
        text = (estate.clone / "environments" / path / "values.yaml").read_text()
        assert values[f"tradewind-values-{map_name}"] == {"values.yaml": text}


@pytest.mark.parametrize("name", NAMES)
def test_argo_cd_gets_chart_version_and_values_of_the_environment(
    estate, applied_by_argo, first, name
):
    estate.release(name, first)
    application = applied_by_argo(name)
    assert application["metadata"] == {"name": f"airflow-{name}"}
    assert application["spec"]["destination"]["namespace"] == f"airflow-{name}"
    chart, values = application["spec"]["sources"]
    assert f"oci://{chart['repoURL']}/{chart['chart']}" == first.chart
    assert chart["targetRevision"] == "7.0.0"
    assert values["ref"] == "values"
    files = [path.removeprefix("$values/") for path in chart["helm"]["valueFiles"]]
    assert files == ["environments/base/values/values.yaml", f"environments/{name}/values.yaml"]
    assert all((estate.clone / path).is_file() for path in files)


def test_argo_cds_definitions_take_the_set_and_each_application(
    estate, applied_by_argo, first, judged
):
    text = (estate.clone / "environments/base/argocd/applicationset.yaml").read_text()
    assert judged([yaml.safe_load(text)]) == []
    for name in NAMES:
        estate.release(name, first)
        application = applied_by_argo(name)
        assert judged([application]) == []
    application["spec"]["sources"][0]["targetRevison"] = "7.0.0"
    (said,) = judged([application])
    assert "targetRevison" in said


@pytest.mark.parametrize("name", NAMES)
def test_fluxs_definitions_take_what_follows_an_environment(
    estate, kustomized, first, judged, name
):
    estate.release(name, first)
    ours = [one for one in kustomized(name) if one["kind"] != "ConfigMap"]
    text = (estate.clone / "environments/base/flux/cluster.yaml").read_text()
    documents = yaml.safe_load_all(text.replace("ENVIRONMENT", name))
    ours += [one for one in documents if one["kind"] != "Namespace"]
    assert [one["kind"] for one in ours] == [
        "HelmRelease",
        "OCIRepository",
        "GitRepository",
        "Kustomization",
    ]
    assert judged(ours) == []


def test_all_environments_render_keep_the_policy_and_are_valid(
    estate, command, first, schemas, tmp_path
):
    base = estate.git("rev-parse", "HEAD")
    for name in NAMES:
        estate.release(name, first)
    comment = tmp_path / "comment.md"
    words = ("--json", f"--schemas={schemas}", f"--comment={comment}")
    code, out, err = command("diff", base, "HEAD", *words)
    told = json.loads(out)
    assert (code, err, list(told)) == (0, "", NAMES)
    for name in NAMES:
        rules = {finding["rule"]: finding for finding in told[name]["findings"]}
        assert rules["policy"]["level"] == "ok"
        assert rules["schema"]["level"] == "ok"
        assert told[name]["rendered"].endswith("added objects")
    assert len(comment.read_text()) <= 65_536
    assert "more lines" in comment.read_text()


def test_environments_differ_as_they_should(estate, command, first):
    base = estate.git("rev-parse", "HEAD")
    for name in NAMES:
        estate.release(name, first)
    told = json.loads(command("diff", base, "HEAD", "--json")[1])
    has = {name: {line.split("/", 1)[1] for line in headers(told[name])} for name in NAMES}
    kinds = {name: {one.split("/")[0] for one in has[name]} for name in NAMES}
    assert "StatefulSet" in kinds["dev"]
    assert "StatefulSet" not in kinds["staging"] | kinds["prod"]
    assert "PodDisruptionBudget" in kinds["staging"] & kinds["prod"]
    assert {"HorizontalPodAutoscaler", "Ingress", "ResourceQuota"} <= kinds["prod"]


def headers(told):
    return [line for line in told["difference"].splitlines() if line.startswith("+++ after/")]


def test_values_that_the_charts_schema_does_not_know_are_refused(estate, command, first):
    estate.release("dev", first, moment=ago(hours=3))
    path = "environments/staging/values.yaml"
    text = (estate.clone / path).read_text()
    estate.merge({path: text.replace("scheduler:", "schedulr:")})
    code, _, err = command("--from", "dev", "--to", "staging", "--print")
    assert code == 3
    assert "the chart does not take the values of staging" in err
    assert "schedulr" in err
    assert list(estate.branches()) == ["main"]


def test_a_release_goes_all_the_way_and_back(estate, command, first, release_chart):
    second = release_chart("7.1.0", database_revision="aaa")
    estate.release("dev", first, moment=ago(days=5))
    for source, target, hours in (("dev", "staging", 100), ("staging", "prod", 50)):
        code, out, err = command("--from", source, "--to", target, "--print")
        assert (code, err) == (0, ""), out
        base = estate.branches()["main"]
        branch = f"promote/{target}/7.0.0"
        estate.git("fetch", "--quiet", "origin", branch)
        words = (base, estate.branches()[branch], f"--source-branch={branch}")
        assert command("check", *words)[0] == 0
        estate.release(target, with_origin(first, source), moment=ago(hours=hours))
    estate.release("dev", second, moment=ago(hours=3))
    assert command("--from", "staging", "--to", "prod", "--print")[1].endswith("to promote\n")
    assert command("--from", "dev", "--to", "prod", "--print")[0] == 3
    assert command("--from", "dev", "--to", "staging", "--print")[0] == 0
    merge = merged(estate, "promote/staging/7.1.0")
    text = estate.show(f"{merge}:environments/staging/release.yaml")
    assert parse(text, path="p") == with_origin(second, "dev")
    # What came by a merge soaks from the merge on.
    code, _, err = command("--from", "staging", "--to", "prod", "--print")
    assert code == 3
    assert "1 d are asked for" in err
    assert command("rollback", "staging", "--print")[0] == 0
    back = merged(estate, "rollback/staging/7.0.0")
    text = estate.show(f"{back}:environments/staging/release.yaml")
    assert parse(text, path="p").same_release(first)


def test_what_a_reviewer_sees_is_what_changes(estate, command, first, release_chart):
    second = release_chart("7.2.0", database_revision="aaa")
    estate.release("dev", second, moment=ago(hours=3))
    estate.release("staging", with_origin(first, "dev"), moment=ago(days=2))
    code, out, _ = command("--from", "dev", "--to", "staging", "--dry-run", "--json")
    told = json.loads(out)
    assert code == 0
    old, new = (pin.chart_version.replace(".", "0") for pin in (first, second))
    assert f"@sha256:{old}" in told["difference"]
    assert f"@sha256:{new}" in told["difference"]
    assert "changed" in told["rendered"]
    assert (
        yaml.safe_load(estate.show("main:environments/staging/release.yaml"))["data"][
            "chartVersion"
        ]
        == "7.0.0"
    )
