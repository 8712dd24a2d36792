"""Whatever the schema accepts renders to what Kubernetes accepts, or is refused with a sentence."""

from __future__ import annotations

import itertools
import json
import re
import subprocess

import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rendered import CASES, LOADER, task_templates
from test_kubernetes_schemas import KUBERNETES_VERSIONS
from valid_values import DEFINITIONS, leaves, values

from conftest import helm_template

EXAMPLES = 40
REFUSED = re.compile(r"execution error at \([^)]*\): (?P<path>[A-Za-z.]+)\S* .+: .+", re.DOTALL)
TOP = {name.split(".")[1] for name in DEFINITIONS if "." in name}
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    # A smaller example of a failure would take minutes; Helm's own words are enough.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def write(folder, number, manifests):
    """Write what was rendered, the pods of tasks among it, for kubeconform."""
    documents = [document for document in yaml.load_all(manifests, LOADER) if document]
    # As JSON: what PyYAML leaves unquoted, such as 1e3, is a number to kubeconform. Not in ASCII,
    # which has surrogates in pairs, and YAML knows none.
    pods = [json.dumps(template, ensure_ascii=False) for template in task_templates(documents)]
    (folder / f"{number}.yaml").write_text("\n---\n".join([manifests, *pods]))


def test_what_the_schema_accepts_renders_and_validates(tmp_path, schemas, kubeconform):
    """On top of every scenario, so that every branch has its turn. Contradictions may be refused.

    All are validated at once, for compiling the schemas is slow.
    """
    numbers, chosen_by_file = itertools.count(), {}
    folder = tmp_path / "rendered"
    folder.mkdir()

    @SETTINGS
    @given(st.sampled_from(["everything-on", *CASES]), values())
    def renders(case, chosen):
        file = tmp_path / "values.yaml"
        file.write_text(json.dumps(chosen, ensure_ascii=False))
        result = helm_template("HELM4", f"--values={CASES[case]}", f"--values={file}")
        if result.returncode:
            refusal = REFUSED.search(result.stderr)
            assert refusal, result.stderr
            assert refusal["path"].split(".")[0] in TOP, result.stderr
            return
        number = next(numbers)
        write(folder, number, result.stdout)
        chosen_by_file[f"{folder}/{number}.yaml"] = (case, chosen)

    renders()
    assert len(chosen_by_file) > EXAMPLES / 2
    locations = schemas(KUBERNETES_VERSIONS[-1])
    judged = [kubeconform, "-strict", "-output=json", *locations, str(folder)]
    report = subprocess.run(judged, capture_output=True, text=True, check=False)
    bad = [
        (resource["kind"], resource["name"], resource["msg"], chosen_by_file[resource["filename"]])
        for resource in json.loads(report.stdout)["resources"]
    ]
    assert not bad, json.dumps(bad, indent=1)
    assert report.returncode == 0, report.stderr


def test_examples_reach_every_value():
    assert len(leaves()) > 250
