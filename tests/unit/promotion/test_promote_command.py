"""`tradewind promote` against a git server, a registry and a helm: what it pushes, and when not."""

import dataclasses
import json

import pytest
from estate import EMPTY, ago, loaded, with_origin

from tradewind.promotion.pins import dump, parse

HOP = ("--from", "dev", "--to", "staging")
TRAILERS = ("Promoted-From: dev", "Chart-Digest: sha256:", "Soak: 2 h", "Source-Commit: ")


@pytest.fixture
def released(estate, registry):
    """Return the pin that dev runs for two hours."""
    pin = registry.put_chart("1.0.0")
    estate.release("dev", pin, moment=ago(hours=2))
    return pin


def test_a_promotion_is_one_file_on_a_branch_of_its_own(command, estate, released):
    code, out, err = command(*HOP, "--print")
    assert (code, err) == (0, "")
    tip = estate.branches()["promote/staging/1.0.0"]
    assert estate.show(f"{tip}:environments/staging/release.yaml") + "\n" == dump(
        with_origin(released, "dev")
    )
    changed = estate.git_in(estate.origin, "diff", "--name-only", f"{tip}^", tip)
    assert changed == "environments/staging/release.yaml"
    assert estate.git_in(estate.origin, "rev-parse", f"{tip}^") == estate.branches()["main"]
    message = estate.git_in(estate.origin, "log", "-1", "--format=%B", tip)
    assert message.startswith("Promote 1.0.0 from dev to staging\n\n")
    assert all(trailer in message for trailer in TRAILERS)
    assert "pushed" in out
    assert "**nothing → 1.0.0**" in out


def test_dry_run_and_json_tell_everything_and_push_nothing(command, estate, released):
    code, out, _ = command(*HOP, "--dry-run", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["version"], told["from"], told["published"]) == ("1.0.0", None, None)
    assert told["file"] == "environments/staging/release.yaml"
    assert '+  chart: "chart 1.0.0"' in told["difference"]
    assert "+  env: staging" in told["difference"]
    assert list(estate.branches()) == ["main"]


def test_the_same_call_again_changes_nothing(command, estate, released):
    command(*HOP, "--print")
    before = estate.branches()
    code, out, _ = command(*HOP, "--print")
    assert (code, estate.branches()) == (0, before)
    assert "holds it already" in out


def test_a_branch_of_ours_is_set_anew_on_a_main_that_moved(command, estate, released):
    command(*HOP, "--print")
    estate.merge({"README.md": "more"})
    assert command(*HOP, "--print")[0] == 0
    tip = estate.branches()["promote/staging/1.0.0"]
    assert estate.git_in(estate.origin, "rev-parse", f"{tip}^") == estate.branches()["main"]


def test_a_branch_with_somebody_elses_work_is_left_alone(command, estate, released):
    command(*HOP, "--print")
    estate.git("fetch", "--quiet", "origin", "promote/staging/1.0.0")
    estate.git("checkout", "--quiet", "FETCH_HEAD")
    estate.commit({"notes.md": "mine"}, message="Add my notes")
    estate.git("push", "--quiet", "origin", "HEAD:promote/staging/1.0.0")
    before = estate.branches()
    code, _, err = command(*HOP, "--print")
    assert (code, estate.branches()) == (5, before)
    assert "holds a commit of somebody else ('Add my notes'): delete the branch" in err


def test_what_is_there_already_is_not_promoted(command, estate, released):
    estate.release("staging", with_origin(released, "dev"))
    code, out, _ = command(*HOP, "--print")
    assert (code, out) == (0, "staging runs what dev runs: nothing to promote\n")


def test_the_working_copy_and_a_detached_head_do_not_matter(command, estate, released):
    estate.git("checkout", "--quiet", "--detach", "HEAD~1")
    dirty = estate.clone / "environments/dev/release.yaml"
    dirty.write_text("broken: [")
    assert command(*HOP, "--print")[0] == 0
    assert dirty.read_text() == "broken: ["
    assert "promote/staging/1.0.0" in estate.branches()


def test_a_reason_for_hurry_lands_in_the_commit(command, estate, registry):
    estate.release("dev", registry.put_chart("1.0.0"), moment=ago(minutes=5))
    code, _, err = command(*HOP, "--print")
    assert code == 3
    assert "5 min" in err
    assert "give a reason with --override-soak" in err
    assert command(*HOP, "--print", "--override-soak", "fixes the outage")[0] == 0
    tip = estate.branches()["promote/staging/1.0.0"]
    assert "Soak-Override: fixes the outage" in estate.show(tip)


def test_an_override_that_nobody_needed_leaves_no_trace(command, estate, released):
    command(*HOP, "--print", "--override-soak", "to be sure")
    assert "Soak-Override" not in estate.show(estate.branches()["promote/staging/1.0.0"])


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--from", "dev", "--to", "prod"), 3, "prod follows staging, not dev"),
        (("--from", "dev", "--to", "qa"), 2, "no environment 'qa'"),
        (("--from", "staging", "--to", "prod"), 3, "staging has no release yet"),
        (("--from", "dev"), 2, "name two environments"),
        ((*HOP, "--version", "2.0.0"), 3, "dev runs 1.0.0, not 2.0.0"),
        ((*HOP, "--remote", "upstream"), 2, "has no remote 'upstream': name one"),
        ((*HOP, "--branch", "trunk"), 2, "origin has no branch 'trunk'"),
        (HOP, 2, "cannot be told: say --forge github|gitlab|gitea, or --print"),
        ((*HOP, "--forge", "gitea"), 2, "is a path, no forge: use --print"),
        ((*HOP, "--engine", "spinnaker"), 2, "choose flux or argocd"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_nothing_is_pushed(
    command, estate, released, words, code, sentence
):
    found, _, err = command(*words)
    assert found == code
    assert sentence in " ".join(err.replace("│", " ").split())
    assert list(estate.branches()) == ["main"]


@pytest.mark.parametrize(
    ("files", "code", "sentence"),
    [
        ({"environments/order.yaml": "environments: []"}, 2, "names no environments"),
        ({"environments/dev/release.yaml": "data: ["}, 2, "release.yaml is not YAML"),
        ({"environments/dev/release.yaml": EMPTY}, 3, "dev has no release yet"),
        ({"environments/staging/values.yaml": None}, 2, "has no environments/staging/values.yaml"),
        ({"environments/staging/values.yaml": "[1]"}, 2, "is list, not a map"),
    ],
)
def test_what_main_holds_is_judged_as_it_is(command, estate, released, files, code, sentence):
    estate.merge(files, moment=ago(hours=1))
    found, _, err = command(*HOP, "--print")
    assert found == code
    assert sentence in err
    assert list(estate.branches()) == ["main"]


def test_a_registry_that_is_down_is_no_refusal(command, estate, registry, released):
    registry.broken = 503
    code, _, err = command(*HOP, "--print")
    assert code == 4
    assert "answers 503" in err
    registry.close()
    code, _, err = command(*HOP, "--print")
    assert code == 4
    assert "does not answer (ConnectError)" in err
    assert list(estate.branches()) == ["main"]


def test_another_content_under_the_same_version_is_refused(command, estate, registry, released):
    registry.manifests["charts/tradewind", "1.0.0"] = b"{}"
    code, _, err = command(*HOP, "--print")
    assert code == 3
    assert "somebody overwrote a version" in err
    assert list(estate.branches()) == ["main"]


def test_an_image_that_is_gone_is_refused(command, estate, registry, released):
    (key,) = [key for key in registry.manifests if key[0] == "airflow"]
    del registry.manifests[key]
    code, out, err = command(*HOP, "--print")
    assert code == 3
    assert "rendered: nothing, for it is refused without" in out
    assert f"the registry has no {released.images['airflow']}" in err


def test_a_git_server_that_is_gone_is_a_sentence(command, estate, released):
    estate.origin.rename(estate.origin.with_name("gone"))
    code, _, err = command(*HOP, "--print")
    assert code == 4
    assert "origin" in err
    assert "does not answer" in err


def test_a_server_that_refuses_the_branch_is_a_conflict(command, estate, released):
    hook = estate.origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho not on my watch >&2\nexit 1\n")
    hook.chmod(0o755)
    code, _, err = command(*HOP, "--print")
    assert code == 5
    assert "not on my watch" in err


def test_values_that_the_chart_refuses_stop_it(command, estate, released, tmp_path, monkeypatch):
    refusing = tmp_path / "refusing"
    words = "additional properties 'replica' not allowed"
    refusing.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
    refusing.chmod(0o755)
    monkeypatch.setenv("HELM", str(refusing))
    code, _, err = command(*HOP, "--print")
    assert code == 3
    assert "the chart does not take the values of staging: additional properties 'replica'" in err
    monkeypatch.setenv("HELM", str(tmp_path / "none"))
    code, _, err = command(*HOP, "--print")
    assert code == 2
    assert "on PATH: install it" in err
    assert list(estate.branches()) == ["main"]


def test_going_back_takes_the_release_before(command, estate, registry):
    old, new = registry.put_chart("1.0.0"), registry.put_chart("1.1.0")
    first = estate.release("staging", with_origin(old, "dev"), moment=ago(days=3))
    estate.release("staging", with_origin(new, "dev"), moment=ago(days=2))
    code, _, err = command("rollback", "staging", "--print")
    assert (code, err) == (0, "")
    tip = estate.branches()["rollback/staging/1.0.0"]
    text = estate.show(f"{tip}:environments/staging/release.yaml")
    assert parse(text, path="p") == with_origin(old, "dev")
    assert f"Rolled-Back-To: {first}" in estate.show(tip)


def test_a_release_whose_chart_is_gone_can_be_left(command, estate, registry):
    old, new = registry.put_chart("1.0.0"), registry.put_chart("1.1.0")
    estate.release("staging", with_origin(old, "dev"), moment=ago(days=3))
    estate.release("staging", with_origin(new, "dev"), moment=ago(days=2))
    del registry.manifests["charts/tradewind", new.chart_digest]
    code, out, _ = command("rollback", "staging", "--print")
    assert code == 0
    assert "nothing to compare with: the registry has no" in out
    assert "rollback/staging/1.0.0" in estate.branches()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("rollback", "staging"), 3, "may have migrated the database of staging from aaa to bbb"),
        (("rollback", "staging", "--to", "0123"), 2, "commit '0123' brought no earlier release"),
        (("rollback", "dev"), 3, "dev has had no other release"),
        (("rollback", "prod"), 3, "prod has no release yet"),
    ],
)
def test_going_back_has_its_limits(command, estate, registry, words, code, sentence):
    estate.release("dev", registry.put_chart("1.0.0"), moment=ago(days=5))
    migrated = dataclasses.replace(registry.put_chart("2.0.0"), database_revision="bbb")
    estate.release("staging", registry.put_chart("1.0.0"), moment=ago(days=3))
    estate.release("staging", migrated, moment=ago(days=2))
    found, _, err = command(*words, "--print")
    assert found == code
    assert sentence in err


def test_status_tells_what_may_go_on(command, estate, released):
    code, out, _ = command("status", "--json")
    assert code == 0
    assert [(row["environment"], row["version"], row["next"]) for row in json.loads(out)] == [
        ("dev", "1.0.0", "may go to staging"),
        ("staging", "", ""),
        ("prod", "", ""),
    ]
    estate.release("staging", with_origin(released, "dev"))
    rows = json.loads(command("status", "--json")[1])
    assert rows[0]["next"] == "is in staging"
    assert rows[1]["next"].startswith("prod in 23 h")
    assert rows[1]["applied"] == "unknown"
    assert "staging" in command("status")[1]


def test_another_environment_is_one_folder_and_one_line(command, estate, released):
    source = estate.clone / "environments/staging"
    files = {f"environments/qa/{file.name}": file.read_text() for file in source.iterdir()}
    order = (estate.clone / "environments/order.yaml").read_text()
    line = "  - {name: qa, soak: 30m}\n  - {name: prod"
    files["environments/order.yaml"] = order.replace("  - {name: prod", line)
    estate.merge(files)
    estate.release("staging", with_origin(released, "dev"), moment=ago(minutes=40))
    names = [entry["name"] for entry in loaded(files["environments/order.yaml"])["environments"]]
    assert names == ["dev", "staging", "qa", "prod"]
    assert command("--from", "staging", "--to", "qa", "--print")[0] == 0
    assert "promote/qa/1.0.0" in estate.branches()
    assert command("--from", "staging", "--to", "prod", "--print")[0] == 3
