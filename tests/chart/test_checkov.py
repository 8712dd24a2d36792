"""checkov judges what is rendered; every finding that stays has a reason here."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from rendered import REPOSITORY, task_templates

CASES = ["default", "everything-on"]
LOCK = REPOSITORY / "locks" / "checkov.txt"
TIMEOUT_S = 300
ANY = ".*"
ENDS = r"Pod\..*\.(tradewind-test|task)"
NO_SERVICE = r"Deployment\..*-(dag-processor(-\w+)?|scheduler|triggerer)"
ASKS_KUBERNETES = r"Deployment\..*-(api-server|scheduler|triggerer|janitor)|Pod\..*\.task"

REASONS = {
    # Check -> the resources in which it may fail, and why that stays.
    "CKV_K8S_11": (ANY, "a CPU limit throttles a start that has the node to itself"),
    "CKV_K8S_15": (ANY, "Always makes every start depend on the registry; digests say the same"),
    "CKV_K8S_35": (ANY, "Airflow and its driver read password and keys from their environment"),
    "CKV_K8S_38": (ASKS_KUBERNETES, "test_access.py says which of these ask, and when"),
    "CKV_K8S_43": (
        ANY,
        "digests are values: ./task up gives them, and one's own registry has others",
    ),
    "CKV_K8S_8": (ENDS, "runs to its end; a task's heartbeat is Airflow's"),
    "CKV_K8S_9": (f"{ENDS}|{NO_SERVICE}", "no Service leads there"),
}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """Return (check, its words, resource) of everything that fails in any case."""
    folder = tmp_path_factory.mktemp("checkov")

    def judge(documents):
        tasks = [
            template
            | {"metadata": template["metadata"] | {"name": "task", "namespace": "tradewind"}}
            for template in task_templates(documents)
        ]
        file = folder / "manifests.yaml"
        file.write_text("\n---\n".join(json.dumps(document) for document in documents + tasks))
        checkov = ["uv", "run", "--no-project", "--isolated", f"--with-requirements={LOCK}"]
        checkov += ["checkov", "--quiet", "--compact", "--framework=kubernetes", "--output=json"]
        result = subprocess.run(
            [*checkov, "--skip-download", f"--file={file}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
        assert result.stdout.startswith("{"), result.stderr
        report = json.loads(result.stdout)
        assert report["summary"]["parsing_errors"] == 0
        assert report["summary"]["passed"] > 500
        return {
            (found["check_id"], found["check_name"], found["resource"])
            for found in report["results"]["failed_checks"]
        }

    return judge


@pytest.mark.timeout(2 * TIMEOUT_S)
def test_checkov_finds_nothing_that_has_no_reason(render, findings):
    found = {finding for case in CASES for finding in findings(render(case))}
    unexplained = [
        (check, words, resource)
        for check, words, resource in sorted(found)
        if not re.fullmatch(REASONS.get(check, ("",))[0], resource)
    ]
    assert not unexplained, unexplained
    assert {check for check, _, _ in found} == REASONS.keys(), "a reason that nothing needs"
