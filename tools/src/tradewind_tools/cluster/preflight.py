"""Everything that must hold before `up` starts anything, checked first so that nothing is left."""

import os
import platform
import shutil
from pathlib import Path

from tradewind_tools import command, packages, ports
from tradewind_tools.cluster import network
from tradewind_tools.cluster.layout import PORTS, Layout
from tradewind_tools.errors import ToolError

GIB = 1024**3
NEEDED_GIB = 8
"""Etcd, image layers twice (registry and node), logs and volumes of a demo."""
ALTERNATIVE = "or name a cluster that you have: CLUSTER=current CONTEXT=… REGISTRY=…"


def check_machine(layout: Layout) -> None:
    """Raise ToolError unless this is Linux, we are root, and there is room."""
    if platform.system() != "Linux":
        raise ToolError(
            f"the local cluster runs on Linux only, this is {platform.system()}: {ALTERNATIVE}"
        )
    if os.geteuid() != 0:
        raise ToolError(f"the local cluster needs root: start it with sudo, {ALTERNATIVE}")
    check_room(layout.state, needed_gib=NEEDED_GIB)


def check_room(folder: Path, *, needed_gib: int) -> None:
    """Raise ToolError when the file system of `folder` (which may not exist yet) lacks room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / GIB
    if free_gib < needed_gib:
        raise ToolError(
            f"{existing} has {free_gib:.1f} GiB free, {needed_gib} GiB are needed: free some, or "
            "set TRADEWIND_STATE and TRADEWIND_CACHE to folders on a larger disk"
        )


def check_surroundings(*, to_start: list[str]) -> None:
    """Raise ToolError when ports or networks of the programs to start are taken."""
    packages.ensure(packages.CLUSTER)
    network.check_free(command.run(["ip", "-o", "-4", "addr"]))
    for name in to_start:
        for address, port in PORTS.get(name, ()):
            if holder := ports.holder(address, port=port):
                raise ToolError(
                    f"port {port} on {address}, which {name} needs, is used by {holder}: stop "
                    f"that program, {ALTERNATIVE}"
                )
