"""What a user mistypes: one sentence with the remedy, exit code not 0, nothing changed."""

import os
import subprocess

import pytest

from tradewind_tools import kubectl, paths
from tradewind_tools.target import LOCAL

NAMED = ("CONTEXT", "REGISTRY", "NAMESPACE")
"""Set for tests by `target run`; beside CLUSTER=local they are a contradiction."""


def task(*words):
    local = os.environ.get("CLUSTER", LOCAL) == LOCAL
    return subprocess.run(
        [paths.CHECKOUT / "task", *words],
        env={k: v for k, v in os.environ.items() if not (local and k in NAMED)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dags:run", "tutorail"], "did you mean tutorial"),
        (["dags:run", "tutorial", "--conf", "{"], "--conf is no JSON"),
        (["dags:run", "tutorial", "--conf", "[1]"], "--conf must be a JSON object"),
        (["logs", "schedular"], "no pod of component 'schedular': choose one of api-server"),
        (["logs", "tutorial", "no-run", "print_date"], "404"),
        (["logs", "one", "two"], "give one component, or three words: DAG RUN TASK"),
    ],
)
def test_a_wrong_word_is_one_sentence(target, words, said):
    revisions = kubectl.items(target, "secrets", "-n", target.namespace, "-l", "owner=helm")
    done = task(*words)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert len(revisions) == len(
        kubectl.items(target, "secrets", "-n", target.namespace, "-l", "owner=helm")
    )
