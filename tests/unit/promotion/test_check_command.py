"""`tradewind promote check BASE HEAD`: what a change may do to releases, judged on the server."""

import dataclasses
import json

import pytest
from estate import EMPTY, ago, with_origin

from tradewind.promotion.pins import dump

STAGING = "environments/staging/release.yaml"
PROD = "environments/prod/release.yaml"
DEV = "environments/dev/release.yaml"


@pytest.fixture
def rig(estate, registry, command):
    """Return what judges a commit of these files on top of main: (code, refusals, errors)."""
    pins = {version: registry.put_chart(version) for version in ("0.9.0", "1.0.0", "1.1.0")}
    estate.release("dev", pins["0.9.0"], moment=ago(days=5))
    estate.release("staging", with_origin(pins["0.9.0"], "dev"), moment=ago(days=4))
    estate.release("dev", pins["1.0.0"], moment=ago(hours=2))

    def judge(files, *words, message="Change"):
        base = estate.git("rev-parse", "HEAD")
        head = estate.commit(files, message=message)
        code, out, err = command("check", base, head, "--json", *words)
        found = json.loads(out)[0]["findings"] if out else []
        return code, [f["sentence"] for f in found if f["level"] == "refused"], err

    return judge, pins


def promoted(pins, version="1.0.0", origin="dev"):
    return dump(with_origin(pins[version], origin))


def test_what_promote_writes_passes(rig):
    judge, pins = rig
    assert judge({STAGING: promoted(pins)}, "--source-branch=promote/staging/1.0.0") == (0, [], "")


@pytest.mark.parametrize(
    ("files", "refusal"),
    [
        pytest.param(
            lambda pins: {STAGING: promoted(pins), "chart/values.yaml": "a: 1"},
            "changes chart/values.yaml beside environments/staging/release.yaml",
            id="an-extra-file",
        ),
        pytest.param(
            lambda pins: {STAGING: promoted(pins), PROD: promoted(pins)},
            "changes prod and staging at once",
            id="two-environments",
        ),
        pytest.param(
            lambda pins: {PROD: promoted(pins, origin="staging")},
            "prod would get 1.0.0",
            id="a-jumped-environment",
        ),
        pytest.param(
            lambda pins: {STAGING: promoted(pins, version="1.1.0")},
            "but dev runs 1.0.0",
            id="what-dev-does-not-run",
        ),
        pytest.param(
            lambda pins: {STAGING: promoted(pins).replace("sha256:", "sha256:00", 1)[:-3]},
            None,
            id="a-wrong-digest",
        ),
        pytest.param(
            lambda pins: {STAGING: promoted(pins, origin="prod")},
            "says promotedFrom 'prod', staging follows dev",
            id="a-wrong-origin",
        ),
        pytest.param(
            lambda _: {STAGING: EMPTY}, "staging would have no release", id="no-release-any-more"
        ),
        pytest.param(
            lambda pins: {DEV: dump(dataclasses.replace(pins["0.9.0"], chart_version="0.8.0"))},
            "dev runs 1.0.0, newer than 0.8.0",
            id="an-older-release-to-the-first",
        ),
        pytest.param(
            lambda pins: {"environments/qa/release.yaml": promoted(pins, version="1.1.0")},
            "qa is new and pins 1.1.0, which no environment runs",
            id="a-new-environment-with-an-untried-release",
        ),
    ],
)
def test_what_goes_around_the_rules_is_refused(rig, files, refusal):
    judge, pins = rig
    code, refusals, err = judge(files(pins))
    if refusal is None:
        assert (code, refusals) == (2, [])
        assert "which is not sha256: and 64 hexadecimal digits" in err
    else:
        assert code == 3
        assert any(refusal in sentence for sentence in refusals)


def test_another_digest_than_the_one_of_the_environment_before_is_refused(rig):
    judge, pins = rig
    text = promoted(pins).replace(pins["1.0.0"].chart_digest, f"sha256:{'0' * 64}")
    code, refusals, _ = judge({STAGING: text})
    assert code == 3
    assert "promote what runs there, or roll back" in refusals[0]


def test_a_branch_does_what_its_name_says(rig):
    judge, pins = rig
    code, refusals, _ = judge({STAGING: promoted(pins)}, "--source-branch=promote/prod/1.0.0")
    assert code == 3
    assert refusals[0].startswith("branch promote/prod/1.0.0 changes staging")
    code, refusals, _ = judge({"README.md": "x"}, "--source-branch=promote/prod/1.0.0")
    assert refusals[0].startswith("branch promote/prod/1.0.0 changes no prod")


def test_a_soak_that_is_too_short_needs_a_reason_in_the_commit(rig, estate):
    judge, pins = rig
    estate.release("staging", with_origin(pins["1.0.0"], "dev"), moment=ago(hours=3))
    code, refusals, _ = judge({PROD: promoted(pins, origin="staging")})
    assert code == 3
    # Seconds may have passed since.
    assert refusals[0].startswith("3 h ")
    assert "in staging, 1 d are asked for" in refusals[0]
    estate.git("reset", "--quiet", "--hard", "HEAD~1")
    message = "Promote\n\nPromoted-From: staging\nSoak-Override: fixes the outage\n"
    assert judge({PROD: promoted(pins, origin="staging")}, message=message)[:2] == (0, [])


def test_a_change_cannot_loosen_the_rules_that_it_is_judged_by(rig, estate):
    judge, pins = rig
    estate.release("staging", with_origin(pins["1.0.0"], "dev"), moment=ago(hours=3))
    loose = (estate.clone / "environments/order.yaml").read_text().replace("24h", "0s")
    files = {PROD: promoted(pins, origin="staging"), "environments/order.yaml": loose}
    code, refusals, _ = judge(files)
    assert code == 3
    assert len(refusals) == 2


def test_going_back_to_what_ran_here_is_no_promotion(rig, estate):
    judge, pins = rig
    estate.release("staging", with_origin(pins["1.0.0"], "dev"), moment=ago(hours=1))
    assert judge({STAGING: promoted(pins, version="0.9.0")})[:2] == (0, [])


def test_other_changes_pass_and_new_rules_are_pointed_out(rig, estate):
    judge, _ = rig
    assert judge({"environments/prod/values.yaml": "a: 2", "README.md": "x"}) == (0, [], "")
    assert judge({"environments/order.yaml": "environments: [{name: dev}, {name: dev}]"})[0] == 2


def test_a_new_environment_may_begin_with_what_another_runs(rig, estate):
    judge, pins = rig
    files = {
        "environments/qa/release.yaml": promoted(pins, version="0.9.0"),
        "environments/qa/values.yaml": "a: 1",
    }
    assert judge(files)[:2] == (0, [])


def test_a_registry_that_lost_the_chart_refuses_it_and_offline_does_not_ask(rig, registry, estate):
    judge, pins = rig
    del registry.manifests["charts/tradewind", "1.0.0"]
    assert judge({STAGING: promoted(pins)})[0] == 3
    estate.git("reset", "--quiet", "--hard", "HEAD~1")
    registry.broken = 500
    assert judge({STAGING: promoted(pins)}, "--offline")[0] == 0


def test_a_pushed_line_is_judged_commit_by_commit(estate, rig, command):
    _, pins = rig
    base = estate.git("rev-parse", "HEAD")
    good = estate.commit({STAGING: promoted(pins)})
    bad = estate.commit({"a.txt": "x", PROD: promoted(pins, origin="staging")})
    code, out, _ = command("check", base, bad, "--each", "--json")
    judged = [
        (line["commit"], any(f["level"] == "refused" for f in line["findings"]))
        for line in json.loads(out)
    ]
    assert code == 3
    assert judged == [(good, False), (bad, True)]


def test_a_push_that_takes_commits_off_the_line_is_a_conflict(estate, rig, command):
    start = estate.git("rev-parse", "HEAD")
    taken = estate.commit({"a.txt": "x"})
    estate.git("reset", "--quiet", "--hard", start)
    other = estate.commit({"b.txt": "x"})
    code, _, err = command("check", taken, other, "--each")
    assert code == 5
    said = " ".join(err.split())
    assert f"{other[:12]} does not contain {taken[:12]}: fetch the main branch" in said


def test_an_unknown_commit_is_a_sentence(command):
    code, _, err = command("check", "0123456789", "HEAD")
    assert code == 2
    assert "no commit '0123456789' here: fetch it first" in err
