import contextlib

import pytest
import yaml

from tradewind_tools import console, kubectl, release, status
from tradewind_tools.airflow_api import Credentials
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.target import Target

OURS = {release.MANAGED: release.OURS}


class FakeCluster:
    """Holds a namespace and Helm's records, and remembers what was asked of it."""

    def __init__(self):
        self.namespaces = []
        """What each look finds; the last one stays."""
        self.records = []
        self.workloads = []
        self.calls = []
        self.created = []

    def items(self, _, kind, *__):
        if kind == "namespaces":
            found = self.namespaces.pop(0) if len(self.namespaces) > 1 else self.namespaces[0]
            return [found] if found else []
        return self.records if kind == "secrets" else self.workloads

    def run(self, _, *arguments, text_input=None):
        self.calls.append(" ".join(arguments))
        if text_input:
            self.created.append(yaml.safe_load(text_input))
        return ""

    def helm(self, _, *arguments, **__):
        self.calls.append(" ".join(["helm", *arguments[:3]]))


def a_namespace(*, labels=None, phase="Active", conditions=()):
    return {
        "metadata": {"name": "tradewind", "labels": labels or {}},
        "status": {"phase": phase, "conditions": list(conditions)},
    }


def a_record(state, *, inputs="", version="1"):
    labels = {"status": state, "version": version, release.HASH_LABEL: inputs}
    return {"metadata": {"name": f"sh.helm.release.v1.tradewind.v{version}", "labels": labels}}


def a_workload(ready):
    metadata = {"name": "x", "labels": {status.COMPONENT: "scheduler"}}
    state = {"readyReplicas": ready}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}, "status": state}


def a_target(*, is_local=True):
    return Target(name="t", kubeconfigs=(), context="kind-dev", registry="r:1", is_local=is_local)


@pytest.fixture
def cluster(monkeypatch):
    fake = FakeCluster()
    fake.namespaces = [a_namespace(labels=OURS)]
    monkeypatch.setattr(kubectl, "items", fake.items)
    monkeypatch.setattr(kubectl, "run", fake.run)
    monkeypatch.setattr(release, "_helm", fake.helm)
    monkeypatch.setattr(release, "inputs_hash", lambda _: "same")
    monkeypatch.setattr(release, "_alone", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(release.time, "sleep", lambda _: None)
    return fake


def test_a_namespace_is_made_restricted_and_marked_as_ours(cluster):
    cluster.namespaces = [None]
    release.install(a_target())
    labels = cluster.created[0]["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "restricted"} | OURS
    assert cluster.calls[-1] == "helm upgrade --install tradewind"


@pytest.mark.parametrize("labels", [None, {release.MANAGED: "Helm"}])
@pytest.mark.parametrize("verb", [release.install, release.uninstall])
def test_a_foreign_namespace_stays_untouched(cluster, verb, labels):
    cluster.namespaces = [a_namespace(labels=labels)]
    cluster.records = [a_record("pending-upgrade")]
    with pytest.raises(ToolError, match=r"'tradewind' of context 'kind-dev' was not made by"):
        verb(a_target())
    assert cluster.calls == []


@pytest.mark.parametrize(
    ("record", "ready", "installs"),
    [
        pytest.param(a_record("deployed", inputs="same"), 1, False, id="same-and-ready"),
        pytest.param(a_record("deployed", inputs="same"), 0, True, id="same-but-not-ready"),
        pytest.param(a_record("deployed", inputs="older"), 1, True, id="changed"),
        pytest.param(a_record("failed", inputs="same"), 1, True, id="failed-before"),
    ],
)
def test_installs_only_when_something_changed(cluster, record, ready, installs):
    cluster.records, cluster.workloads = [record], [a_workload(ready)]
    release.install(a_target())
    assert cluster.calls == (["helm upgrade --install tradewind"] if installs else [])


def test_an_interrupted_operation_is_forgotten_on_our_own_cluster(cluster):
    cluster.records = [a_record("pending-upgrade", version="3")]
    release.install(a_target())
    record = "sh.helm.release.v1.tradewind.v3"
    assert cluster.calls[0] == f"delete secret -n tradewind {record} --ignore-not-found"


def test_an_operation_that_goes_on_elsewhere_is_respected(cluster):
    cluster.records = [a_record("pending-install")]
    with pytest.raises(ToolError, match=r"pending-install: wait .*delete secret sh.helm"):
        release.install(a_target(is_local=False))
    assert cluster.calls == []


def test_a_namespace_that_is_going_is_awaited(cluster):
    going = a_namespace(labels=OURS, phase="Terminating")
    cluster.namespaces = [going, going, None]
    release.install(a_target())
    assert [document["kind"] for document in cluster.created] == ["Namespace"]


def test_uninstall_removes_release_and_namespace(cluster):
    cluster.namespaces = [a_namespace(labels=OURS), None]
    cluster.records = [a_record("deployed")]
    release.uninstall(a_target())
    assert cluster.calls == [
        "helm uninstall tradewind --wait",
        "delete namespace tradewind --wait=false",
    ]


def test_uninstall_of_nothing_does_nothing(cluster):
    cluster.namespaces = [None]
    release.uninstall(a_target())
    assert cluster.calls == []


def test_a_namespace_that_does_not_go_says_what_holds_it(cluster, monkeypatch):
    monkeypatch.setattr(release, "DELETE_TIMEOUT_S", -1.0)
    conditions = [{"status": "True", "message": "pods has 1 resource instances"}]
    cluster.namespaces = [a_namespace(labels=OURS, conditions=conditions)]
    with pytest.raises(WorkFailedError, match="pods has 1 resource instances"):
        release.uninstall(a_target())


def test_a_failure_names_the_first_unready_pods():
    problems = [
        status.Problem(pod=f"pod-{number}", container="main", reason="ImagePullBackOff")
        for number in range(5)
    ]
    text = release.failure(verb="upgrade", said="context deadline exceeded", problems=problems)
    assert "helm upgrade failed: context deadline exceeded" in text
    assert "pod-0 main: ImagePullBackOff; pod-1" in text
    assert "pod-3" not in text


def test_progress_says_what_is_awaited():
    found = [status.parse_workload(a_workload(ready)) for ready in (0, 1)]
    assert release.progress(found) == "1 of 2 ready, waiting for scheduler"
    assert release.progress(found[1:]) == "1 of 1 ready"


def test_the_hash_follows_chart_and_values(tmp_path, monkeypatch):
    local = a_target(is_local=True)
    chart, values, loki_values, local_values, image_values = (
        tmp_path / name for name in ("chart", "v.yaml", "k.yaml", "l.yaml", "i.yaml")
    )
    chart.mkdir()
    template = chart / "a.yaml"
    files = (template, values, loki_values, local_values, image_values)
    for file in files:
        file.write_text("loki: {image: {tag: one}}")
    monkeypatch.setattr(release, "CHART", chart)
    monkeypatch.setattr(release, "VALUES", values)
    monkeypatch.setattr(release, "LOKI_VALUES", loki_values)
    monkeypatch.setattr(release, "LOCAL_VALUES", local_values)
    monkeypatch.setattr(release.images, "values_file", lambda _: image_values)
    seen = [release.inputs_hash(local)]
    for file in files:
        file.write_text("loki: {image: {tag: two}}")
        seen.append(release.inputs_hash(local))
    template.rename(chart / "b.yaml")
    seen.append(release.inputs_hash(local))
    assert len(set(seen)) == len(seen)
    assert release.inputs_hash(local) == seen[-1]


@pytest.mark.parametrize(
    ("written", "is_there"),
    [
        pytest.param("{loki: {image: {tag: t}}, image: {tag: t}}", True, id="made"),
        pytest.param("{image: {tag: t}}", False, id="not-built"),
    ],
)
def test_logs_go_to_loki_where_its_image_could_be_made(tmp_path, monkeypatch, written, is_there):
    image_values = tmp_path / "i.yaml"
    image_values.write_text(written)
    monkeypatch.setattr(release.images, "values_file", lambda _: image_values)
    assert (release.LOKI_VALUES in release.value_files(a_target())) is is_there
    user = Credentials(username="u", password="p")
    monkeypatch.setattr(release, "credentials", lambda *_, **__: user)
    monkeypatch.setattr(status, "ui_address", lambda _: "http://ui")
    with console.out.capture() as said:
        release._farewell(a_target())
    assert ("./task loki:build" in said.get()) is not is_there
