"""Everything that must hold before `up` starts anything, checked first so that nothing is left."""

import os
import platform

from tradewind_tools import command, packages, ports, room
from tradewind_tools.cluster import network
from tradewind_tools.cluster.layout import PORTS, Layout
from tradewind_tools.errors import ToolError

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
    room.check(layout.state, needed_gib=NEEDED_GIB, what="the local cluster")


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
