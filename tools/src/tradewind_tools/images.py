"""Build the images of images/images.yaml, push them, and tell the chart their digests.

An image's tag is a hash of everything it is built from. A tag that the registry has already is
neither built nor pushed again, which makes a second call cheap. The cluster pulls by digest.
"""

import fnmatch
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from tradewind_tools import base_image, builder, command, console, paths, programs, registry
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.target import Target

LIST = paths.CHECKOUT / "images" / "images.yaml"
BUILD_TIMEOUT_S = 1800.0
VERSION_FILE = "executor/src/tradewind/__init__.py"
VERSION_LINE = re.compile(r'^__version__ = "([^"]+)"', re.MULTILINE)
VERSION_LABEL = "org.opencontainers.image.version"
IGNORED = ("__pycache__", "*.pyc", "README.md", "smoke.sh")
"""Files that never enter an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One entry of images.yaml."""

    folder: str
    repository: str
    chart_values: str
    """Path in the chart's values, with dots."""
    needs_wheel: bool
    program: str = ""
    """`PROGRAM/BINARY` of ours that it holds; the image is left out until that is built."""

    @property
    def sources(self) -> list[Path]:
        """Folders and files that decide what the image is."""
        package = paths.CHECKOUT / "executor"
        wheel = [package / "src", package / "pyproject.toml"] if self.needs_wheel else []
        module, _, _ = self.program.partition("/")
        pins = [paths.CHECKOUT / "tools" / "programs" / module] if module else []
        return [LIST.parent / self.folder, *wheel, *pins]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image as the registry has it."""

    image: Image
    tag: str
    digest: str
    was_built: bool


def listed(file: Path = LIST) -> list[Image]:
    """Return the images of the list."""
    entries = yaml.safe_load(file.read_text())["images"]
    return [
        Image(
            folder=folder,
            repository=entry["repository"],
            chart_values=entry["chartValues"],
            needs_wheel=bool(entry["needs"]),
            program=entry.get("program", ""),
        )
        for folder, entry in entries.items()
    ]


def source_tag(image: Image) -> str:
    """Return the tag that the image's sources lead to."""
    digest = hashlib.sha256(base_image.PUBLIC.encode())
    for path in sorted(_files(image.sources)):
        digest.update(str(path.relative_to(paths.CHECKOUT)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"src-{digest.hexdigest()[:16]}"


def version(checkout: Path) -> str:
    """Return the version that the executor says of itself; empty when it says none."""
    found = VERSION_LINE.search((checkout / VERSION_FILE).read_text())
    return found[1] if found else ""


def values_file(target: Target) -> Path:
    """Return where `push` writes the chart's values for this target."""
    return target.folder / "images-values.yaml"


def push(target: Target, *, is_complete: bool = False, has_wheel: bool = False) -> list[Pushed]:
    """Make the registry hold every image, and write the values file with their digests.

    An image whose program is not built is left out, unless it has to be complete: what takes that
    long is asked for by name. The wheel is built once for all of them, or is in dist/ already.

    Raises:
        ToolError: a build or push failed, or the registry does not show what was pushed.

    """
    chosen = [image for image in listed() if is_complete or _is_within_reach(image)]
    wheel = _Wheel(is_built=has_wheel)
    pushed = [_push(target, image, wheel) for image in chosen]
    values: dict[str, Any] = {}
    for item in pushed:
        _put(values, item.image.chart_values, _coordinates(target, item))
    values_file(target).parent.mkdir(parents=True, exist_ok=True)
    values_file(target).write_text(yaml.safe_dump(values))
    return pushed


def has(target: Target, chart_values: str) -> bool:
    """Tell whether the last `push` wrote the place of an image in the chart's values."""
    file = values_file(target)
    found: Any = yaml.safe_load(file.read_text()) if file.is_file() else {}
    for part in chart_values.split("."):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return bool(found)


def table(pushed: list[Pushed]) -> Table:
    """Return what the registry holds, for people."""
    shown = Table("image", "tag", "digest", "now")
    for item in pushed:
        done = "built and pushed" if item.was_built else "unchanged"
        shown.add_row(item.image.repository, item.tag, item.digest[:26], done)
    return shown


def build_wheel() -> None:
    """Make dist/ hold the executor's wheel and nothing else."""
    dist = paths.CHECKOUT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    source = str(paths.CHECKOUT / "executor")
    with console.step("building the executor's wheel"):
        command.run(["uv", "build", "--wheel", "--out-dir", str(dist), source], timeout_s=300)


@dataclass(slots=True)
class _Wheel:
    """Whether dist/ holds the wheel of this push: images of one release hold one and the same."""

    is_built: bool

    def ensure(self) -> None:
        if not self.is_built:
            build_wheel()
            self.is_built = True


def _is_within_reach(image: Image) -> bool:
    return not image.program or programs.is_built(image.program)


def _push(target: Target, image: Image, wheel: _Wheel) -> Pushed:
    tag = source_tag(image)
    found = registry.digest(target.registry, repository=image.repository, tag=tag)
    if found is not None:
        return Pushed(image=image, tag=tag, digest=found, was_built=False)
    if image.needs_wheel:
        wheel.ensure()
    _build_and_push(image, f"{target.registry}/{image.repository}:{tag}")
    found = registry.digest(target.registry, repository=image.repository, tag=tag)
    if found is None:
        raise WorkFailedError(
            f"registry {target.registry} does not show {image.repository}:{tag} after the push: "
            "allow anonymous reads of manifests there"
        )
    return Pushed(image=image, tag=tag, digest=found, was_built=True)


def _build_and_push(image: Image, reference: str) -> None:
    own = builder.ensure()
    base = base_image.ensure(own)
    if image.program:
        _copy_program(image.program)
    with console.step(f"building image {image.repository}"):
        build = ["env", "DOCKER_BUILDKIT=1", *own.docker, "build"]
        arguments = _build_arguments(image, reference=reference, base=base)
        command.run([*build, *arguments, str(paths.CHECKOUT)], timeout_s=BUILD_TIMEOUT_S)
    with console.step(f"pushing image {image.repository}"):
        command.run([*own.docker, "push", "--quiet", reference], timeout_s=BUILD_TIMEOUT_S)


def _build_arguments(image: Image, *, reference: str, base: str) -> list[str]:
    arguments = ["--tag", reference, "--file", f"{LIST.parent / image.folder}/Dockerfile"]
    arguments += ["--network", "host", "--build-arg", f"BASE_IMAGE={base}"]
    if image.needs_wheel:
        # The others say their program's: a release that leaves it alone builds the same image.
        arguments += ["--label", f"{VERSION_LABEL}={version(paths.CHECKOUT)}"]
    if bundle := os.environ.get("SSL_CERT_FILE"):
        # Where a proxy re-signs TLS, downloads inside the build must trust what the host trusts.
        arguments += ["--secret", f"id=ca,src={bundle}"]
    return arguments


def _copy_program(name: str) -> None:
    """Put a program of ours where the build sees it."""
    module, _, binary = name.partition("/")
    folder = paths.CHECKOUT / "dist" / "programs"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy2(programs.ensure(module, binaries=[binary])[binary], folder / binary)


def _coordinates(target: Target, item: Pushed) -> dict[str, str]:
    return {
        "registry": target.registry,
        "repository": item.image.repository,
        "tag": item.tag,
        "digest": item.digest,
    }


def _put(values: dict[str, Any], path: str, content: dict[str, str]) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
    values[last] = content


def _files(sources: list[Path]) -> Iterator[Path]:
    for source in sources:
        found = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
        for path in found:
            parts = path.relative_to(paths.CHECKOUT).parts
            if not any(fnmatch.fnmatch(part, glob) for part in parts for glob in IGNORED):
                yield path
