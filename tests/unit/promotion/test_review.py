"""`tradewind promote diff`: every environment before and after a change, judged and told."""

import json

import pytest
from estate import ago

from tradewind.promotion import policy
from tradewind.promotion.findings import Level

GOOD = """\
kind: Deployment
metadata: {name: api}
spec:
  template:
    spec:
      securityContext: {runAsNonRoot: true}
      containers:
        - name: main
          image: r.example/airflow@sha256:0123
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          resources: {limits: {memory: 1Gi}}
"""


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("@sha256:0123", ":latest", "an image has no digest: Deployment/api (main)"),
        ("allowPrivilegeEscalation: false", "privileged: true", "privileges may grow"),
        ("runAsNonRoot: true", "runAsUser: 0", "may run as root"),
        ("drop: [ALL]", "add: [NET_ADMIN]", "keeps capabilities"),
        ("memory: 1Gi", "cpu: 1", "has no memory limit"),
        ("      containers:", "      hostNetwork: true\n      containers:", "hostNetwork is for"),
        (
            "      containers:",
            "      volumes: [{name: all, hostPath: {path: /}}]\n      containers:",
            "volume all is a path of the node: Deployment/api",
        ),
    ],
)
def test_a_pod_that_breaks_the_policy_is_named(before, after, rule):
    assert [finding.level for finding in policy.judge(GOOD, is_pinned=True)] == [Level.OK]
    (found,) = policy.judge(GOOD.replace(before, after), is_pinned=True)
    assert found.level is Level.REFUSED
    assert rule in found.sentence


def test_images_need_no_digest_while_the_chart_is_a_folder():
    text = GOOD.replace("@sha256:0123", ":latest")
    assert [finding.level for finding in policy.judge(text, is_pinned=False)] == [Level.OK]


def test_pods_of_cron_jobs_are_judged_too():
    pod = GOOD.split("  template:\n")[1].replace("drop: [ALL]", "add: [ALL]")
    text = "kind: CronJob\nmetadata: {name: clean}\nspec:\n  jobTemplate:\n    spec:\n"
    text += "      template:\n" + "".join(f"    {line}\n" for line in pod.splitlines())
    (found,) = policy.judge(text, is_pinned=True)
    assert found.sentence.endswith(": CronJob/clean (main)")


@pytest.fixture
def changed(estate, registry, command):
    """Return what tells of a commit of these files on top of main: (code, told, errors)."""
    estate.release("dev", registry.put_chart("1.0.0"), moment=ago(hours=2))

    def run(files, *words):
        base = estate.git("rev-parse", "HEAD")
        head = estate.commit(files)
        code, out, err = command("diff", base, head, "--json", *words)
        return code, json.loads(out) if out else {}, err

    return run


def test_a_change_of_one_environment_shows_in_that_one_alone(changed):
    code, told, _ = changed({"environments/dev/values.yaml": "env: other\n"})
    assert code == 0
    assert {name: one["rendered"] for name, one in told.items()} == {
        "dev": "1 changed objects",
        "staging": "no object changes",
        "prod": "no object changes",
    }
    assert "-  env: dev\n+  env: other" in told["dev"]["difference"]


def test_the_comment_is_written_where_it_is_asked_for(changed, tmp_path):
    file = tmp_path / "comment.md"
    changed({"environments/dev/values.yaml": "env: other\n"}, f"--comment={file}")
    text = file.read_text()
    assert text.startswith("### dev: 1 changed objects")
    assert "+  env: other" in text
    assert "### prod: no object changes" in text


def test_what_the_chart_refuses_is_a_refusal_of_that_environment(changed, tmp_path, monkeypatch):
    picky = tmp_path / "picky"
    picky.write_text('#!/bin/sh\nfor f; do :; done\ngrep -q bad "${f#--values=}" && echo no >&2\n')
    with picky.open("a") as script:
        script.write('! grep -q bad "${f#--values=}"\n')
    picky.chmod(0o755)
    monkeypatch.setenv("HELM", str(picky))
    code, told, _ = changed({"environments/dev/values.yaml": "env: bad\n"})
    assert code == 3
    (found,) = told["dev"]["findings"]
    assert found["sentence"] == "the chart does not take the values of dev: no"


def test_a_new_environment_and_one_that_goes_are_told(changed, estate):
    order = (estate.clone / "environments/order.yaml").read_text()
    files = {
        f"environments/qa/{name}": (estate.clone / f"environments/dev/{name}").read_text()
        for name in ("release.yaml", "values.yaml")
    }
    files["environments/order.yaml"] = order.replace("- {name: dev}", "- {name: qa}")
    _, told, _ = changed(files)
    assert told["qa"]["rendered"] == "1 added objects"
    assert told["dev"]["rendered"] == "1 removed objects"


def test_a_registry_that_is_down_is_a_sentence(changed, registry):
    registry.broken = 503
    code, told, err = changed({"README.md": "x"})
    assert (code, told) == (4, {})
    assert "answers 503" in err
