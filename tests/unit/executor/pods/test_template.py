import pytest

from tradewind.errors import ConfigError
from tradewind.pods.template import TemplateFile

BASE = "{name: base, image: worker:1}"


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "pod.yaml"

    def load(text):
        path.write_text(text)
        return TemplateFile(str(path)).load()

    return load


def with_spec(spec):
    return f"kind: Pod\nspec: {spec}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("kind: Deployment", "begin it with `kind: Pod`", id="other-kind"),
        pytest.param("- a\n- b", "begin it with `kind: Pod`", id="a-list"),
        pytest.param("", "begin it with `kind: Pod`", id="empty"),
        pytest.param("just words", "begin it with `kind: Pod`", id="text"),
        pytest.param("kind: Pod", "has no `spec`", id="no-spec"),
        pytest.param(with_spec("hello"), "spec is 'hello': give a mapping", id="spec-is-text"),
        pytest.param(with_spec("{}"), "has no `spec.containers`", id="no-containers"),
        pytest.param(with_spec("{containers: []}"), "spec.containers", id="no-container-in-list"),
        pytest.param(with_spec("{containers: {}}"), "give a list", id="containers-no-list"),
        pytest.param(with_spec("["), "is no YAML: .* at line 3, column 1", id="broken-yaml"),
        pytest.param(with_spec("&a [*a]"), "larger than 1000 kB", id="contains-itself"),
        pytest.param(
            with_spec("{containers: [{name: a}, {name: b}]}"),
            "has 'a', 'b' and no 'base': name the one",
            id="nobody-knows-which-is-the-task's",
        ),
        pytest.param(
            with_spec(f"{{containers: [{BASE}, {BASE}]}}"), "2 items named 'base'", id="two-bases"
        ),
        pytest.param(
            with_spec("{contaners: []}"), "did you mean 'containers'", id="misspelt-field"
        ),
        pytest.param(
            with_spec(f"{{containers: [{BASE}], hostNetwork: 'no'}}"),
            "spec.hostNetwork is 'no': give true or false",
            id="a-word-for-a-boolean",
        ),
        pytest.param("metadata: []\nkind: Pod", "metadata is .*: give a mapping", id="metadata"),
    ],
)
def test_an_unusable_template_is_named_with_its_remedy(loaded, tmp_path, text, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        loaded(text)
    assert str(tmp_path / "pod.yaml") in str(caught.value)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        pytest.param("", "pod_template_file is not set", id="none"),
        pytest.param("pod.yaml", "begin it with /", id="relative"),
        pytest.param("/tmp/../etc/pod.yaml", r"use no \.\.", id="upwards"),
        pytest.param("/nowhere/pod.yaml", "No such file", id="missing"),
        pytest.param("/", "Is a directory", id="a-folder"),
    ],
)
def test_an_unusable_path_is_named_with_its_remedy(path, sentence):
    with pytest.raises(ConfigError, match=sentence):
        TemplateFile(path).load()


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "pod.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="no UTF-8 text"):
        TemplateFile(str(tmp_path / "pod.yaml")).load()


def test_a_huge_file_is_refused_unread(tmp_path):
    (tmp_path / "pod.yaml").write_text("x" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1000 kB: shorten it"):
        TemplateFile(str(tmp_path / "pod.yaml")).load()


def test_no_error_quotes_a_file_that_is_no_template(loaded):
    for text in ("postgres://me:hunter2@db", "password: 'hunter2", "- hunter2"):
        with pytest.raises(ConfigError) as caught:
            loaded(text)
        assert "hunter2" not in str(caught.value)


def test_a_single_container_is_the_tasks_whatever_its_name(loaded):
    containers = loaded(with_spec("{containers: [{name: worker, image: w}]}"))["spec"]["containers"]
    assert [c["name"] for c in containers] == ["base"]


def test_the_tasks_container_comes_first(loaded):
    template = loaded(with_spec(f"{{containers: [{{name: proxy, image: p}}, {BASE}]}}"))
    assert [c["name"] for c in template["spec"]["containers"]] == ["base", "proxy"]


def test_numbers_become_text_where_kubernetes_wants_text(loaded):
    template = loaded(
        "kind: Pod\n"
        "metadata: {labels: {version: 1.5, live: true}}\n"
        "spec: {containers: [{name: base, env: [{name: PORT, value: 8080}],"
        " resources: {requests: {cpu: 1}}}]}"
    )
    base = template["spec"]["containers"][0]
    assert template["metadata"]["labels"] == {"version": "1.5", "live": "True"}
    assert base["env"] == [{"name": "PORT", "value": "8080"}]
    assert base["resources"] == {"requests": {"cpu": "1"}}


def test_the_template_is_read_again_only_when_it_changed(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text(with_spec("{containers: [{name: base, image: a}]}"))
    file = TemplateFile(str(path))
    first = file.load()
    assert file.load() is first
    path.write_text(with_spec("{containers: [{name: base, image: changed}]}"))
    assert file.load()["spec"]["containers"][0]["image"] == "changed"


def test_a_bad_template_is_usable_again_once_mended(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod")
    file = TemplateFile(str(path))
    for _ in range(2):
        with pytest.raises(ConfigError, match="has no `spec`"):
            file.load()
    path.write_text(with_spec(f"{{containers: [{BASE}]}}"))
    assert file.load()["spec"]["containers"][0]["image"] == "worker:1"


def test_a_swapped_link_is_noticed(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(with_spec(f"{{containers: [{{name: base, image: {name}}}]}}"))
    link = tmp_path / "pod.yaml"
    link.symlink_to(tmp_path / "a")
    file = TemplateFile(str(link))
    file.load()
    link.unlink()
    link.symlink_to(tmp_path / "b")
    assert file.load()["spec"]["containers"][0]["image"] == "b"
