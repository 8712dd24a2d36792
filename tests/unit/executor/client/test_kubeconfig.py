import os
from pathlib import Path

import pytest
import yaml

from tradewind.client import kubeconfig
from tradewind.errors import ConfigError


def document(**lists):
    """Return a kubeconfig's text; `users={"ci": {...}}` makes a list of one named user."""
    made = {}
    for plural, value in lists.items():
        made[plural.replace("_", "-")] = (
            [{"name": name, plural[:-1]: fields} for name, fields in value.items()]
            if isinstance(value, dict)
            else value
        )
    return yaml.safe_dump(made)


COMPLETE = {
    "current_context": "dev",
    "contexts": {"dev": {"cluster": "c", "user": "u"}, "prod": {"cluster": "p", "user": "u"}},
    "clusters": {"c": {"server": "https://c"}, "p": {"server": "https://p"}},
    "users": {"u": {"token": "t"}},
}


@pytest.fixture
def write(tmp_path):
    def write(name="config", text=None, **lists):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(document(**(lists or COMPLETE)) if text is None else text)
        return path

    return write


@pytest.mark.parametrize(
    ("context", "server"),
    [pytest.param("", "https://c", id="current"), pytest.param("prod", "https://p", id="named")],
)
def test_a_context_is_chosen(write, context, server):
    assert kubeconfig.load([write()], context=context).cluster.text("server") == server


def test_the_first_file_with_an_entry_wins_and_keeps_its_folder(write):
    first = write("a/config", users={"u": {"tokenFile": "token"}}, current_context="prod")
    chosen = kubeconfig.load([first, write("b/config")])
    assert chosen.name == "prod"
    assert chosen.user.path("tokenFile") == first.parent / "token"
    assert chosen.cluster.file.parent.name == "b"


def test_a_missing_file_of_several_is_skipped(write, tmp_path):
    assert kubeconfig.load([tmp_path / "none", write()]).name == "dev"


def test_a_context_without_a_user_is_anonymous(write):
    path = write(**COMPLETE | {"contexts": {"dev": {"cluster": "c"}}})
    assert kubeconfig.load([path]).user.values == {}


def test_the_files_of_kubeconfig_come_before_the_home_folders(monkeypatch):
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(["/a", "", "/b"]))
    assert kubeconfig.default_paths() == [Path("/a"), Path("/b")]
    monkeypatch.setenv("KUBECONFIG", "")
    assert kubeconfig.default_paths() == [Path.home() / ".kube" / "config"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("{", "is no YAML: while parsing", id="no-yaml"),
        pytest.param("[1]", "is no mapping: begin it with `kind`", id="a-list"),
        pytest.param("", "names no current-context: set .* cluster_context", id="empty"),
        pytest.param("current-context: x", "no context 'x' in .*: it has none", id="no-contexts"),
        pytest.param(
            "{current-context: x, contexts: {x: 1}}", "`contexts` in .* is no list", id="mapping"
        ),
        pytest.param(
            "{current-context: x, contexts: [{name: x}]}", "has no mapping `context`", id="no-body"
        ),
        pytest.param(
            "{current-context: x, contexts: [{name: x, context: {cluster: [1]}}]}",
            "cluster of context 'x' in .* is a list: write text",
            id="cluster-is-a-list",
        ),
        pytest.param(
            document(**COMPLETE | {"clusters": {"other": {"server": "s"}}}),
            "no cluster 'c' in .*: it has other",
            id="dangling-cluster",
        ),
        pytest.param(
            document(**COMPLETE | {"users": {}}), "no user 'u' in .*: it has none", id="no-user"
        ),
    ],
)
def test_a_malformed_file_is_named_with_field_and_remedy(write, text, sentence):
    path = write(text=text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        kubeconfig.load([path])
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    path = tmp_path / "config"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot read the kubeconfig"):
        kubeconfig.load([path])


def test_no_file_at_all_names_every_place_that_was_tried():
    with pytest.raises(ConfigError, match=r"no kubeconfig at '/a', '/b': set .* config_file"):
        kubeconfig.load([Path("/a"), Path("/b")])


@pytest.mark.parametrize(
    ("method", "value", "sentence"),
    [
        pytest.param("text", 7, "is a int: write text", id="number-for-text"),
        pytest.param("flag", "yes", "is 'yes': write true or false", id="text-for-flag"),
        pytest.param("data", "%%%", "is no base64", id="no-base64"),
        pytest.param("data", "é", "is no base64", id="no-ascii"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(method, value, sentence):
    entry = kubeconfig.Entry(kind="user", name="u", file=Path("/k"), values={"field": value})
    with pytest.raises(ConfigError, match=f"field of user 'u' in '/k' {sentence}"):
        getattr(entry, method)("field")


def test_base64_may_be_wrapped():
    entry = kubeconfig.Entry(kind="user", name="u", file=Path("/k"), values={"d": "YW\nJj\n"})
    assert entry.data("d") == b"abc"
