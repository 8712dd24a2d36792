import subprocess
import sys
from pathlib import Path

import pytest

from tradewind_tools import programs
from tradewind_tools.errors import ToolError, WorkFailedError

GO_MOD = """module tradewind/tools/etcd

go 1.26.0

tool go.etcd.io/etcd/server/v3

require go.etcd.io/etcd/server/v3 v3.7.3 // pinned

require (
	github.com/beorn7/perks v1.0.1 // indirect
)

replace k8s.io/api => k8s.io/api v0.36.3
"""


READ_ONLY = {"argo-cd", "gateway-api", "prometheus-operator"}
"""Modules of which nothing is built."""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A root with one wrapper module `etcd`, and an empty cache."""
    folder = tmp_path / "programs" / "etcd"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(GO_MOD)
    (folder / "go.sum").write_text("sum\n")
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(programs, "MODULES", tmp_path / "programs")
    monkeypatch.setattr(programs.load, "__kwdefaults__", {"root": tmp_path / "programs"})
    return tmp_path


@pytest.fixture
def compiler(modules, monkeypatch):
    """A stand-in for go that writes its output file, or fails when told; counts its calls."""
    calls = modules / "calls"
    script = modules / "go"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"open({str(calls)!r}, 'a').write('x')\n"
        f"open({str(modules / 'arguments')!r}, 'w').write(' '.join(sys.argv))\n"
        "if os.environ.get('FAIL'): sys.exit('boom: cannot compile')\n"
        "open(sys.argv[sys.argv.index('-o') + 1], 'w').write('binary')\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(programs, "go_binary", lambda: str(script))
    return calls


def test_go_mod_yields_tools_and_required_versions():
    tools, requires = programs.parse_go_mod(GO_MOD)
    assert tools == ["go.etcd.io/etcd/server/v3"]
    assert requires == {
        "go.etcd.io/etcd/server/v3": "v3.7.3",
        "github.com/beorn7/perks": "v1.0.1",
    }


def test_every_committed_module_loads_with_a_version():
    names = sorted(path.parent.name for path in programs.MODULES.glob("*/go.mod"))
    assert "kubernetes" in names
    for name in names:
        module = programs.load(name)
        assert module.version.startswith("v"), name
        assert module.packages or name in READ_ONLY, name


def test_a_module_without_a_tool_is_read_and_not_built(modules, monkeypatch):
    text = GO_MOD.replace("tool go.etcd.io/etcd/server/v3", "").partition("require (")[0]
    (modules / "programs" / "etcd" / "go.mod").write_text(text)
    monkeypatch.setattr(programs, "go_binary", lambda: "go")
    asked = []

    def run(words, **_):
        asked.append(words)
        return '{"Dir": "/cache/etcd"}'

    monkeypatch.setattr(programs.command, "run", run)
    assert programs.sources("etcd") == Path("/cache/etcd")
    assert programs.load("etcd").packages == {}
    assert asked[0][-1] == "go.etcd.io/etcd/server/v3@v3.7.3"


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        pytest.param("k8s.io/kubernetes/cmd/kubelet", "kubelet", id="last-part"),
        pytest.param("go.etcd.io/etcd/server/v3", "etcd", id="known-by-another-name"),
        pytest.param("example.org/tool/v2", "tool", id="major-version-is-no-name"),
    ],
)
def test_binary_is_named_as_people_call_it(package, expected):
    assert programs.binary_name(package) == expected


def test_kubernetes_is_stamped_with_version_major_and_minor():
    flags = programs.ldflags("kubernetes", version="v1.36.3")
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion=v1.36.3" in flags
        assert f"-X {package}.gitMajor=1" in flags
        assert f"-X {package}.gitMinor=36" in flags


@pytest.mark.usefixtures("modules")
def test_unknown_program_names_the_known_ones():
    with pytest.raises(ToolError, match=r"no program 'etd'.*choose one of etcd"):
        programs.load("etd")


@pytest.mark.usefixtures("modules")
def test_unknown_binary_names_the_known_ones():
    with pytest.raises(ToolError, match="etcd has no binary 'etcdctl': choose one of etcd"):
        programs.ensure("etcd", binaries=["etcdctl"])


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_key_changes_with_either_module_file(modules, file):
    before = programs.load("etcd").key
    path = modules / "programs" / "etcd" / file
    path.write_text(path.read_text() + "\n")
    assert programs.load("etcd").key != before


def test_tags_reach_the_compiler_and_the_key(compiler, monkeypatch):
    before = programs.load("etcd").key
    monkeypatch.setattr(programs, "TAGS", {"etcd": ("small", "quick")})
    assert programs.load("etcd").key != before
    programs.ensure("etcd")
    assert "-tags=small,quick" in (compiler.parent / "arguments").read_text().split()


def test_built_once_and_then_found(compiler):
    assert not programs.is_built("etcd/etcd")
    first = programs.ensure("etcd")
    assert programs.ensure("etcd") == first
    assert first["etcd"].read_text() == "binary"
    assert compiler.read_text() == "x"
    assert programs.is_built("etcd/etcd")


@pytest.mark.usefixtures("compiler")
def test_half_built_program_is_discarded_and_built_again():
    target = programs.load("etcd").target
    killed = target.parent / ".etcd-abc.partial"
    killed.mkdir(parents=True)
    (killed / "etcd").write_text("half")
    built = programs.ensure("etcd")["etcd"]
    assert built.read_text() == "binary"
    assert not killed.exists()


@pytest.mark.usefixtures("compiler")
def test_partial_build_of_another_program_is_left_alone():
    other = programs.load("etcd").target.parent / ".helm4-abc.partial"
    other.mkdir(parents=True)
    programs.ensure("etcd")
    assert other.exists()


@pytest.mark.usefixtures("compiler")
def test_failed_build_shows_the_compiler_and_leaves_nothing(modules, monkeypatch):
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(WorkFailedError, match="building etcd of etcd failed:\nboom"):
        programs.ensure("etcd")
    left = [path.name for path in (modules / "cache" / "programs").rglob("*") if path.is_file()]
    assert left == [".etcd.lock"]


def test_without_room_nothing_is_compiled_and_a_built_one_is_still_found(compiler, monkeypatch):
    programs.ensure("etcd")
    monkeypatch.setattr(programs, "NEEDED_GIB", 1_000_000)
    assert programs.ensure("etcd")
    for binary in programs.load("etcd").target.iterdir():
        binary.unlink()
    with pytest.raises(ToolError, match=r"GiB free, building etcd needs .*TRADEWIND_CACHE"):
        programs.ensure("etcd")
    assert compiler.read_text() == "x"


def test_two_builders_at_once_compile_once(modules, compiler):
    script = (
        "import pathlib, sys\n"
        "from tradewind_tools import programs\n"
        f"programs.go_binary = lambda: {str(modules / 'go')!r}\n"
        f"programs.load.__kwdefaults__ = {{'root': pathlib.Path({str(modules / 'programs')!r})}}\n"
        "programs.ensure('etcd')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    assert [process.wait(30) for process in both] == [0, 0]
    assert compiler.read_text() == "x"


@pytest.mark.usefixtures("compiler")
def test_assignments_end_at_the_first_other_word():
    words = ["ETCD=etcd/etcd", "pytest", "A=b/c"]
    found = programs.assignments(words)
    assert list(found) == ["ETCD"]
    assert Path(found["ETCD"]).name == "etcd"
