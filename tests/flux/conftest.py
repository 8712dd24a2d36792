"""Flux tier: the environments of this repository on the local cluster, followed by real Flux.

`./task test:flux` starts the cluster and builds what is needed. The tests are one story, told in
the order of the file: each goes on where the one before it ended.
"""

import os
from pathlib import Path

import pytest
from controllers import running
from git_server import serving
from release_under_test import under_test
from timeline import Timeline
from world import INSTALLED, World

from tradewind_tools import images, kubectl


@pytest.fixture(scope="session")
def target():
    found = under_test()
    if not found.is_local:
        # Flux of one's own in somebody's cluster would fight with theirs.
        pytest.fail("Flux is tried on the local cluster only: leave out CLUSTER")
    return found


@pytest.fixture(scope="session")
def timeline():
    """Return what prints events as they happen, and all of them at the end."""
    kept = Timeline()
    yield kept
    kept.console.print(kept.table())


@pytest.fixture(scope="session")
def world(target, timeline, tmp_path_factory):
    """Return the company, its environments bootstrapped and without a release."""
    folder = tmp_path_factory.mktemp("flux")
    served = folder / "served"
    served.mkdir()
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "kubectl").symlink_to(kubectl.binary())
    with pytest.MonkeyPatch.context() as patch, serving(served) as address:
        for name, value in target.environment.items():
            patch.setenv(name, value)
        patch.setenv("HELM", os.environ["HELM4"])
        patch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
        made = World(
            target,
            folder=served,
            address=f"{address}/origin.git",
            timeline=timeline,
            images=images.push(target),
        )
        try:
            with running(target, folder):
                for name in INSTALLED:
                    made.begin(name)
                timeline.add("", "Flux follows git; no environment has a release yet")
                yield made
                _keep(folder)
        finally:
            for name in INSTALLED:
                words = ("delete", "namespace", f"airflow-{name}", "--wait=false")
                kubectl.run(target, *words, "--ignore-not-found")


def _keep(folder: Path):
    """Leave the controllers' logs where TRADEWIND_FLUX_LOGS says, for a look afterwards."""
    if kept := os.environ.get("TRADEWIND_FLUX_LOGS"):
        for log in folder.glob("*.log"):
            Path(kept).mkdir(exist_ok=True, parents=True)
            Path(kept, log.name).write_bytes(log.read_bytes())
