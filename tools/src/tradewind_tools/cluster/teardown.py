"""`cluster down`: end every process of the cluster and leave the machine as it was.

Works from what it finds, never from what it thinks was started, so it cleans after an `up` that
was killed anywhere, and a second `down` finds nothing to do.
"""

import os
import shutil
from pathlib import Path

from tradewind_tools import console, locks, processes
from tradewind_tools.cluster import cgroups, components, mounts, network
from tradewind_tools.cluster.layout import Layout
from tradewind_tools.errors import ToolError

BUILDER = "dockerd"


def down(layout: Layout, *, purge: bool = False) -> None:
    """Stop and clean. The registry's and the builder's data survive unless `purge`."""
    if not layout.state.exists():
        return
    if os.geteuid() != 0:
        raise ToolError("stopping the local cluster needs root: start it with sudo")
    with locks.exclusive(layout.lock, waiting_for="its work on the cluster"):
        with console.step("stopping the cluster") as step:
            step.result = remove(layout)
        if purge:
            with console.step("removing caches of the registry and the builder"):
                purge_caches(layout)


def remove(layout: Layout) -> str:
    """End processes, then take away network, mounts and files; return what was found."""
    if layout.local.exists():
        layout.stopping.touch()
    order = [BUILDER, *reversed(components.NAMES)]
    stopped: list[str] = []
    for name in order:
        # One by one: a kubelet without containerd would log and retry, and a containerd that
        # ends before its kubelet would be asked for more.
        stopped += processes.stop(layout.state, names=[name])
    ended = cgroups.remove()
    if shutil.which("ip") and shutil.which("nft"):
        network.remove(record=layout.state / "sysctls.json")
    unmounted = mounts.unmount_all(layout.local) if layout.local.exists() else 0
    unmounted += mounts.unmount_all(layout.builder) if layout.builder.exists() else 0
    _remove_tree(layout.local)
    layout.kubeconfig.unlink(missing_ok=True)
    return f"{len(stopped)} programs, {ended} container processes, {unmounted} mounts"


def purge_caches(layout: Layout) -> None:
    """Remove what `down` keeps."""
    for folder in (layout.registry, layout.builder, layout.logs, layout.state / "run"):
        _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    if not folder.exists():
        return
    # Renamed first: half a tree under its own name would look like a running cluster's.
    doomed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed)
