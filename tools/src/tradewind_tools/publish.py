"""Release: build wheel, images and chart once, push them, pin them in the first environment.

The version is the tag of the commit. Everything that forbids a release is asked before anything is
built; a version that is in the registry is never written again.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tradewind.promotion import order, pins
from tradewind.promotion.findings import PromotionError
from tradewind.promotion.pins import Pin
from tradewind_tools import baking, command, console, images, paths, programs, registry
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.images import Pushed
from tradewind_tools.target import REGISTRY_FORM, Target

CHARTS = "tradewind/charts"
CHART = "tradewind"
SECTION = re.compile(r"^## \[([^\]]+)\]", re.MULTILINE)
HEAD_CODE = (
    "from airflow.utils.db import _REVISION_HEADS_MAP as heads; print(list(heads.values())[-1])"
)
"""Asks the Airflow that the images hold, too, for the head of its migrations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is released, and where it goes."""

    version: str
    commit: str
    registry: str

    @property
    def repository(self) -> str:
        """Of the chart, below the registry."""
        return f"{CHARTS}/{CHART}"


def release(environment: Mapping[str, str], *, is_reversible: bool) -> Pin:
    """Build, push and pin a release; return its pin, which is in the environment's file.

    Raises:
        ToolError: the tree is dirty, the commit has no tag, CHANGELOG.md no section, or the version
            exists; or something could not be built or pushed.

    """
    plan = prepare(paths.CHECKOUT, registry_name=environment.get("REGISTRY", ""))
    place = Target(
        name="release", kubeconfigs=(), context="", registry=plan.registry, is_local=False
    )
    _wheel(plan.version)
    pushed = images.push(place, is_complete=True, has_wheel=True)
    for item in pushed:
        name = item.image.repository
        registry.tag(plan.registry, repository=name, pushed=item.tag, tag=plan.version)
    digest = push_chart(plan, baked_images(plan, pushed))
    pin = Pin(
        chart=f"oci://{plan.registry}/{plan.repository}",
        chart_version=plan.version,
        chart_digest=digest,
        app_version=plan.version,
        git_commit=plan.commit,
        database_revision=_database_revision(),
        reversible="true" if is_reversible else "false",
        images={item.image.folder: _reference(plan, item) for item in pushed},
    )
    write(paths.CHECKOUT, pin)
    return pin


def prepare(checkout: Path, *, registry_name: str) -> Plan:
    """Return what would be released; raises ToolError with the first thing that forbids it."""
    if not REGISTRY_FORM.fullmatch(registry_name):
        raise ToolError(
            f"REGISTRY={registry_name!r} names no registry: REGISTRY=host:5000/team ./task release"
        )
    if changed := _git(checkout, "status", "--porcelain"):
        raise ToolError(
            f"the tree has changes ({changed.splitlines()[0].strip()}): commit or stash them, a "
            "release is what a commit holds"
        )
    version = _version(checkout)
    _require_same(checkout, version)
    plan = Plan(version=version, commit=_git(checkout, "rev-parse", "HEAD"), registry=registry_name)
    if registry.digest(registry_name, repository=plan.repository, tag=version):
        raise ToolError(
            f"{registry_name} has {plan.repository}:{version} already: a version is written once, "
            "tag the commit with a new one"
        )
    return plan


def push_chart(plan: Plan, values: Mapping[str, Mapping[str, str]]) -> str:
    """Package the chart with these values as defaults, push it, return its digest."""
    helm = str(programs.ensure("helm4")["helm"])
    with tempfile.TemporaryDirectory() as folder, console.step(f"pushing chart {plan.version}"):
        chart = Path(folder, CHART)
        shutil.copytree(paths.CHECKOUT / "chart", chart)
        file = chart / "values.yaml"
        file.write_text(baking.bake(file.read_text(), values=values))
        version = ["--version", plan.version, "--app-version", plan.version]
        command.run([helm, "package", str(chart), *version, "--destination", folder])
        archive = str(Path(folder, f"{CHART}-{plan.version}.tgz"))
        is_plain = registry.schemes(plan.registry.partition("/")[0]) == ("http",)
        plain = ["--plain-http"] if is_plain else []
        command.run([helm, "push", archive, f"oci://{plan.registry}/{CHARTS}", *plain])
    found = registry.digest(plan.registry, repository=plan.repository, tag=plan.version)
    if found is None:
        raise WorkFailedError(f"{plan.registry} does not show the chart after its push")
    return found


def baked_images(plan: Plan, pushed: list[Pushed]) -> dict[str, dict[str, str]]:
    """Return path in the chart's values -> registry, tag and digest of each image."""
    return {
        item.image.chart_values: {
            "registry": plan.registry,
            "repository": item.image.repository,
            "tag": plan.version,
            "digest": item.digest,
        }
        for item in pushed
    }


def write(checkout: Path, pin: Pin) -> Path:
    """Pin the release in the first environment; return the file."""
    file = checkout / pinned(checkout)
    file.write_text(pins.dump(pin))
    return file


def pinned(checkout: Path) -> str:
    """Return the path, in the repository, of the first environment's release."""
    try:
        first = order.parse((checkout / order.PATH).read_text()).names[0]
    except PromotionError as error:
        raise ToolError(str(error)) from error
    return order.release_path(first)


def _version(checkout: Path) -> str:
    tags = _git(checkout, "tag", "--points-at", "HEAD").split()
    versions = [tag[1:] for tag in tags if tag[:1] == "v" and pins.VERSION.fullmatch(tag[1:])]
    if len(versions) != 1:
        found = ", ".join(tags) or "none"
        raise ToolError(
            f"the commit has no version of its own (tags: {found}): `git tag v1.4.2` gives it one"
        )
    return versions[0]


def _require_same(checkout: Path, version: str) -> None:
    """Refuse a version that the files of the commit do not know."""
    sections = SECTION.findall((checkout / "CHANGELOG.md").read_text())
    if version not in sections:
        raise ToolError(
            f"CHANGELOG.md has no section [{version}] (it has {', '.join(sections[:3])}): name so "
            "what is under Unreleased, and commit that"
        )
    chart = yaml.safe_load((checkout / "chart" / "Chart.yaml").read_text())
    said = {
        images.VERSION_FILE: images.version(checkout),
        "chart/Chart.yaml version": chart["version"],
        "chart/Chart.yaml appVersion": chart["appVersion"],
    }
    for place, other in said.items():
        if str(other) != version:
            raise ToolError(f"{place} says {other}, the tag {version}: make them the same")


def _wheel(version: str) -> None:
    dist = paths.CHECKOUT / "dist"
    images.build_wheel()
    built = sorted(dist.glob(f"airflow_tradewind-{version}-*.whl"))
    if not built:
        raise WorkFailedError(f"no wheel of {version} in {dist} after its build")
    digest = hashlib.sha256(built[0].read_bytes()).hexdigest()
    console.err.print(f"[green]✓[/green] {built[0].name} sha256:{digest[:12]}…")


def _database_revision() -> str:
    done = subprocess.run(
        [sys.executable, "-c", HEAD_CODE], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise WorkFailedError(f"Airflow does not tell its migrations' head: {done.stderr[-300:]}")
    return done.stdout.split()[-1]


def _reference(plan: Plan, item: Pushed) -> str:
    return f"{plan.registry}/{item.image.repository}@{item.digest}"


def _git(checkout: Path, *arguments: str) -> str:
    return command.run(["git", "-C", str(checkout), *arguments]).strip()


def told(pin: Pin, *, path: str) -> str:
    """Return what to do next; `path` is the file that holds the pin."""
    images_json = json.dumps(dict(pin.images), indent=2)
    return (
        f"{pin.chart}:{pin.chart_version}\n{pin.chart_digest}\nimages {images_json}\n\n"
        f"Next: git switch -c release/{pin.chart_version} && git commit {path} -m "
        f"'Release {pin.chart_version}' && git push origin HEAD, and open the pull request.\n"
    )
