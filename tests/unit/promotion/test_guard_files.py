"""The files that put the rules on a server: run where they can be run here, read where not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from estate import ago, with_origin

from tradewind.promotion.order import PATH
from tradewind.promotion.pins import dump

GUARD = Path(__file__).parents[3] / "environments" / "base" / "guard"
STAGING = "environments/staging/release.yaml"


@pytest.fixture
def guarded(estate, registry):
    """Return an estate whose server has the hook, and the pin that dev runs."""
    pin = registry.put_chart("1.0.0")
    estate.release("dev", pin, moment=ago(hours=2))
    hook = estate.origin / "hooks" / "pre-receive"
    hook.write_bytes((GUARD / "pre-receive").read_bytes())
    hook.chmod(0o755)
    return estate, pin


def pushed(estate, *words):
    """Push as people do; return the exit code and what the server said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["git", "push", "--quiet", "origin", *words],
        cwd=estate.clone,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_hook_takes_what_promote_writes(guarded):
    estate, pin = guarded
    estate.commit({STAGING: dump(with_origin(pin, "dev"))})
    assert pushed(estate, "HEAD:main")[0] == 0


def test_the_hook_takes_nothing_that_goes_around_the_rules(guarded):
    estate, pin = guarded
    before = estate.branches()
    estate.commit({STAGING: dump(with_origin(pin, "dev")), "README.md": "also this"})
    code, said = pushed(estate, "HEAD:main")
    assert (code, estate.branches()) == (1, before)
    assert "changes README.md beside environments/staging/release.yaml" in said


def test_the_hook_lets_nobody_rewrite_or_delete_the_main_branch(guarded):
    estate, _ = guarded
    before = estate.branches()
    estate.git("reset", "--quiet", "--hard", "HEAD~1")
    estate.commit({"README.md": "another past"})
    code, said = pushed(estate, "--force", "HEAD:main")
    assert (code, estate.branches()) == (1, before)
    assert "fetch the main branch and start from there" in said
    # Git itself protects the branch that a repository shows first.
    estate.git_in(estate.origin, "config", "receive.denyDeleteCurrent", "ignore")
    code, said = pushed(estate, ":main")
    assert (code, estate.branches()) == (1, before)
    assert "deleting it is refused" in said


def test_the_hook_leaves_other_branches_alone(guarded):
    estate, _ = guarded
    estate.commit({STAGING: "broken: ["})
    assert pushed(estate, "HEAD:experiment")[0] == 0


@pytest.mark.parametrize("name", ["github.yaml", "gitlab.yaml"])
def test_a_pipeline_checks_what_concerns_environments_with_the_whole_history(name):
    text = (GUARD / name).read_text()
    assert yaml.safe_load(text)
    assert "environments/**" in text
    assert "tradewind promote check" in text
    assert "fetch-depth: 0" in text or 'GIT_DEPTH: "0"' in text


def test_no_name_that_people_choose_gets_into_a_script():
    steps = yaml.safe_load((GUARD / "github.yaml").read_text())["jobs"]["releases"]["steps"]
    scripts = [step["run"] for step in steps if "run" in step]
    assert scripts
    assert not [script for script in scripts if "${{" in script]


def test_prod_and_the_rules_have_owners_of_their_own():
    lines = (GUARD / "CODEOWNERS").read_text().splitlines()
    owners = dict(line.split(None, 1) for line in lines if line.startswith("/"))
    strict = owners["/environments/prod/"]
    assert owners["/environments/"] != strict
    for path in (f"/{PATH}", "/environments/base/", "/.github/", "/CODEOWNERS"):
        assert owners[path] == strict
