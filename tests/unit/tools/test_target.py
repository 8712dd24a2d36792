from pathlib import Path

import pytest
import yaml

from tradewind_tools import target
from tradewind_tools.errors import ToolError


@pytest.fixture
def kubeconfig(tmp_path):
    document = {
        "current-context": "prod",
        "contexts": [{"name": "prod"}, {"name": "kind-dev"}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document))
    return file


def named(kubeconfig, **more):
    return {"CLUSTER": "current", "KUBECONFIG": str(kubeconfig), **more}


def test_without_variables_it_is_the_local_cluster_and_the_users_config_is_not_read(monkeypatch):
    def forbidden(*_):
        raise AssertionError("read a kubeconfig of the user")

    monkeypatch.setattr(target, "kubeconfig_files", forbidden)
    found = target.resolve({"KUBECONFIG": "/somewhere/else"})
    assert found.is_local
    assert found.context == "tradewind-local"
    assert "/somewhere/else" not in found.environment["KUBECONFIG"]


def test_a_named_context_is_pinned_and_never_the_current_one(kubeconfig):
    found = target.resolve(named(kubeconfig, CONTEXT="kind-dev", REGISTRY="r.example:5000/team/"))
    assert not found.is_local
    assert found.kubectl_arguments == ["--context", "kind-dev"]
    assert found.helm_arguments == ["--kube-context", "kind-dev"]
    assert found.registry == "r.example:5000/team"


def test_releases_in_two_namespaces_of_a_cluster_share_nothing(kubeconfig):
    ours = target.resolve(named(kubeconfig, CONTEXT="prod", REGISTRY="r"))
    theirs = target.resolve(named(kubeconfig, CONTEXT="prod", REGISTRY="r", NAMESPACE="team"))
    assert (ours.namespace, theirs.namespace) == ("tradewind", "team")
    assert ours.folder != theirs.folder


def test_contexts_of_several_files_count_and_a_missing_file_is_skipped(kubeconfig, tmp_path):
    second = tmp_path / "second"
    second.write_text(yaml.safe_dump({"contexts": [{"name": "k3s"}]}))
    listed = f"{kubeconfig}:{tmp_path / 'absent'}:{second}"
    found = target.resolve(named(listed, CONTEXT="k3s", REGISTRY="r"))
    assert found.kubeconfigs == (kubeconfig, second)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        pytest.param({}, "needs CONTEXT=NAME, one of: prod, kind-dev", id="no-context"),
        pytest.param({"CONTEXT": "stage"}, "no context 'stage': choose", id="unknown-context"),
        pytest.param({"CONTEXT": "prod"}, "needs REGISTRY=HOST", id="no-registry"),
        pytest.param(
            {"CONTEXT": "prod", "REGISTRY": "http://r"}, "leave out the scheme", id="scheme"
        ),
        pytest.param({"CLUSTER": "prod"}, "CLUSTER=prod is unknown", id="unknown-choice"),
        pytest.param(
            {"CLUSTER": "", "CONTEXT": "prod"}, "add CLUSTER=current", id="context-for-local"
        ),
        pytest.param(
            {"CLUSTER": "", "NAMESPACE": "team"}, "add CLUSTER=current", id="namespace-for-local"
        ),
        pytest.param(
            {"CONTEXT": "prod", "REGISTRY": "r", "NAMESPACE": "Team A"},
            "NAMESPACE=Team A is no name of a namespace",
            id="namespace",
        ),
    ],
)
def test_anything_unclear_is_one_sentence_and_exit_code_2(kubeconfig, more, sentence):
    with pytest.raises(ToolError, match=sentence) as caught:
        target.resolve(named(kubeconfig) | more)
    assert caught.value.exit_code == 2


def test_a_missing_kubeconfig_is_named():
    with pytest.raises(ToolError, match="no kubeconfig file at /absent/config: set KUBECONFIG"):
        target.resolve(named("/absent/config", CONTEXT="x", REGISTRY="r"))


@pytest.mark.parametrize("text", ["{", "\x00"])
def test_a_kubeconfig_that_is_no_yaml_is_named(tmp_path, text):
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(ToolError, match="cannot be read as a kubeconfig"):
        target.resolve(named(file, CONTEXT="x", REGISTRY="r"))


@pytest.mark.parametrize("text", ["", "[]", "contexts: 3", "contexts: [3]"])
def test_a_kubeconfig_without_contexts_has_none(tmp_path, text):
    file = tmp_path / "config"
    file.write_text(text)
    assert target.contexts([file]) == []


def test_folder_of_a_target_stays_below_the_state_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_STATE", str(tmp_path / "state"))
    evil = tmp_path / "evil"
    evil.write_text(yaml.safe_dump({"contexts": [{"name": "../../etc"}]}))
    found = target.resolve(named(evil, CONTEXT="../../etc", REGISTRY="r"))
    assert found.folder.resolve().parent == Path(tmp_path / "state" / "targets").resolve()


def test_a_context_called_local_does_not_share_the_local_clusters_folder(tmp_path):
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump({"contexts": [{"name": "local"}]}))
    found = target.resolve(named(file, CONTEXT="local", REGISTRY="r"))
    assert found.folder != target.resolve({}).folder


def test_a_local_cluster_that_does_not_run_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_STATE", str(tmp_path))
    with pytest.raises(ToolError, match=r"does not run: start everything with \./task up"):
        target.require_running(target.resolve({}))


def test_somebody_elses_local_cluster_needs_sudo(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_STATE", str(tmp_path))
    (tmp_path / "kubeconfig").touch()
    monkeypatch.setattr(target.os, "access", lambda *_: False)
    with pytest.raises(ToolError, match="belongs to root: use sudo"):
        target.require_running(target.resolve({}))
