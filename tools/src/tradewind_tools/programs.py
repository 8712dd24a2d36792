"""Build programs from their Go wrapper modules, each once, into the cache.

Every folder of tools/programs is a Go module that names main packages by `tool` lines and pins
them by go.mod and go.sum. A binary lands in `<cache>/programs/<name>-<version>-<key>/` by one
rename after its build, so a file that is there is whole: a build killed at any moment leaves only
a `.partial` folder, which the next build of that program removes. Only the binaries that a caller
names are built.
"""

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tradewind_tools import command, console, locks, partial, paths, room
from tradewind_tools.errors import ToolError, WorkFailedError

MODULES = paths.CHECKOUT / "tools" / "programs"
NEEDED_GIB = 3
"""For one program: Kubernetes' compiled packages are the most."""
DOWNLOAD_TIMEOUT_S = 300.0
TAIL_LINES = 25
"""Lines of a failed build's output that are shown."""

RENAMED = {"go.etcd.io/etcd/server/v3": "etcd"}
"""Main packages whose folder name is not the name that people know the program by."""

STAMPS: dict[str, tuple[str, ...]] = {
    "kubernetes": tuple(
        f"{package}.{field}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for field in (
            "gitVersion={version}",
            "gitMajor={major}",
            "gitMinor={minor}",
            "gitTreeState=clean",
        )
    ),
    "helm3": ("helm.sh/helm/v3/internal/version.version={version}",),
    "helm4": ("helm.sh/helm/v4/internal/version.version={version}",),
    "helm-unittest": ("github.com/helm-unittest/helm-unittest/internal/build.version={plain}",),
    "kubeconform": ("main.version={version}",),
    "containerd": ("github.com/containerd/containerd/v2/version.Version={version}",),
    "loki": ("github.com/grafana/loki/v3/pkg/util/build.Version={plain}",),
    "registry": ("github.com/distribution/distribution/v3/version.version={version}",),
    "prometheus": ("github.com/prometheus/common/version.Version={plain}",),
    "statsd-exporter": ("github.com/prometheus/common/version.Version={plain}",),
}
"""Variables set at link time, where a program would otherwise not report its version."""

TAGS: dict[str, tuple[str, ...]] = {
    # Without the clients of two dozen clouds, in which tests look for nothing: 240 packages less.
    "prometheus": ("remove_all_sd",),
}
"""Build tags of a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A wrapper module, read from its folder."""

    name: str
    folder: Path
    module: str
    """Path of the wrapped module."""
    version: str
    """Its version, such as `v1.36.3`."""
    packages: dict[str, str]
    """Binary name -> main package."""
    key: str
    """Hash of everything that decides what the binaries are."""

    @property
    def target(self) -> Path:
        """The folder where finished binaries lie."""
        return paths.cache_dir() / "programs" / f"{self.name}-{self.version}-{self.key}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Build tags, usually none."""
        return TAGS.get(self.name, ())

    @property
    def ldflags(self) -> str:
        """Linker flags: small, and with the version stamped."""
        return ldflags(self.name, version=self.version)


def ldflags(name: str, *, version: str) -> str:
    """Return the linker flags for a program, with its version in the right variables."""
    major, minor, *_ = [*version.lstrip("v").split("."), "0"]
    values = {"version": version, "plain": version.lstrip("v"), "major": major, "minor": minor}
    stamps = [f"-X {stamp.format(**values)}" for stamp in STAMPS.get(name, ())]
    return " ".join(["-s -w", *stamps])


def parse_go_mod(text: str) -> tuple[list[str], dict[str, str]]:
    """Return the `tool` packages and the `require`d module versions of a go.mod."""
    tools: list[str] = []
    requires: dict[str, str] = {}
    block = ""
    for raw in text.splitlines():
        line = raw.split("//")[0].strip()
        if opened := re.fullmatch(r"(\w+) \(", line):
            block = opened[1]
        elif line == ")":
            block = ""
        elif line:
            verb, _, rest = (block, "", line) if block else line.partition(" ")
            if verb == "tool":
                tools.append(rest.strip())
            elif verb == "require":
                module, _, version = rest.strip().partition(" ")
                requires[module] = version.strip()
    return tools, requires


def binary_name(package: str) -> str:
    """Return the file name of a main package's binary, as we call it."""
    if package in RENAMED:
        return RENAMED[package]
    *_, parent, last = package.split("/")
    return parent if re.fullmatch(r"v\d+", last) else last


def load(name: str, *, root: Path = MODULES) -> Module:
    """Read the wrapper module `name`; raises ToolError when it is unknown or malformed."""
    folder = root / name
    if not (folder / "go.mod").is_file():
        known = ", ".join(sorted(path.parent.name for path in root.glob("*/go.mod")))
        raise ToolError(f"no program {name!r} in {root}: choose one of {known}")
    text = (folder / "go.mod").read_text()
    tools, requires = parse_go_mod(text)
    # A module that is read and not built names no tool.
    owners = [one for one in requires if not tools or f"{tools[0]}/".startswith(f"{one}/")]
    if not owners:
        raise ToolError(f"{folder / 'go.mod'} requires no module of its first tool: add a require")
    wrapped = max(owners, key=len)
    version = requires[wrapped]
    digest = hashlib.sha256(text.encode())
    digest.update((folder / "go.sum").read_bytes())
    digest.update(ldflags(name, version=version).encode())
    digest.update("".join(TAGS.get(name, ())).encode())
    return Module(
        name=name,
        folder=folder,
        module=wrapped,
        version=version,
        packages={binary_name(package): package for package in tools},
        key=digest.hexdigest()[:12],
    )


def ensure(name: str, *, binaries: Sequence[str] = ()) -> dict[str, Path]:
    """Return the paths of a program's binaries (all of them by default), building what is missing.

    Safe under concurrent use; raises WorkFailedError with the end of the compiler's output.
    """
    module = load(name)
    wanted = list(binaries) or list(module.packages)
    if unknown := sorted(set(wanted) - set(module.packages)):
        have = ", ".join(module.packages)
        raise ToolError(f"{name} has no binary {unknown[0]!r}: choose one of {have}")
    found = {binary: module.target / binary for binary in wanted}
    if all(path.is_file() for path in found.values()):
        return found
    lock = paths.cache_dir() / "programs" / f".{name}.lock"
    with locks.exclusive(lock, waiting_for=f"the build of {name}"):
        missing = [binary for binary, path in found.items() if not path.is_file()]
        if missing:
            room.check(paths.cache_dir(), needed_gib=NEEDED_GIB, what=f"building {name}")
            _build(module, missing)
    return found


def sources(name: str) -> Path:
    """Return the folder with the wrapped module's own files, such as resource definitions.

    It lies in Go's module cache, where go.sum answers for it; fetched where it is not there.

    Raises:
        WorkFailedError: the module proxy does not serve it.

    """
    module = load(name)
    # With its version Go reads no other module's go.mod, of which Argo CD alone has a thousand.
    wanted = f"{module.module}@{module.version}"
    text = command.run(
        [go_binary(), "-C", str(module.folder), "mod", "download", "-json", wanted],
        environment=_environment(),
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )
    return Path(json.loads(text)["Dir"])


def is_built(name: str) -> bool:
    """Tell whether `PROGRAM/BINARY` lies in the cache, so that `ensure` costs nothing."""
    program, _, binary = name.partition("/")
    return (load(program).target / binary).is_file()


def assignments(words: Sequence[str]) -> dict[str, str]:
    """Return the leading `VAR=PROGRAM/BINARY` words as variables with paths, building them."""
    found: dict[str, str] = {}
    for word in words:
        variable, equals, value = word.partition("=")
        program, slash, binary = value.partition("/")
        if not (variable.isidentifier() and equals and slash):
            break
        found[variable] = str(ensure(program, binaries=[binary])[binary])
    return found


def go_binary() -> str:
    """Return the go command: the pinned one of the tool environment, else one on PATH."""
    for folder in (os.environ.get("TRADEWIND_BIN", ""), str(Path(sys.executable).parent)):
        if folder and (Path(folder) / "go").exists():
            return str(Path(folder) / "go")
    if found := shutil.which("go"):
        return found
    raise ToolError("no go command found: start verbs through ./task, which brings one")


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"GOOS", "GOARCH"}}
    return kept | {
        "CGO_ENABLED": "0",
        # Gigabytes: where TRADEWIND_CACHE says, and gone with it.
        "GOCACHE": os.environ.get("GOCACHE") or str(paths.cache_dir() / "go-build"),
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _build(module: Module, binaries: Sequence[str]) -> None:
    module.target.mkdir(parents=True, exist_ok=True)
    names = ", ".join(binaries)
    with (
        partial.folder(module.target.parent, prefix=module.name) as folder,
        console.step(f"building {module.name} {module.version} ({names})") as step,
    ):
        for binary in binaries:
            _compile(module, binary, folder / binary, step)
            (folder / binary).rename(module.target / binary)


def _compile(module: Module, binary: str, output: Path, step: console.Step) -> None:
    build = [go_binary(), "build", "-v", "-trimpath", "-ldflags", module.ldflags]
    build += [f"-tags={','.join(module.tags)}"] if module.tags else []
    build += ["-o", str(output), module.packages[binary]]
    compiled = 0

    def on_line(line: str) -> None:
        nonlocal compiled
        compiled += not line.startswith("go: ")
        step.note(f"{binary}, {compiled} packages compiled, {line}")

    exit_code, tail = command.follow(
        build,
        on_line=on_line,
        tail_lines=TAIL_LINES,
        cwd=module.folder,
        environment=_environment(),
    )
    if exit_code:
        raise WorkFailedError(f"building {binary} of {module.name} failed:\n{tail}")
