"""`cluster up`: look at what runs, start what does not, wait until a pod could run.

Checks come before any start. A failure after that takes down what this call began, unless the
cluster was there before. Killed at any point, the next `up` goes on and `down` cleans.
"""

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tradewind_tools import command, console, locks, packages, processes
from tradewind_tools.cluster import (
    api,
    cgroups,
    components,
    configs,
    manifests,
    network,
    pause,
    pki,
    preflight,
    teardown,
)
from tradewind_tools.cluster.layout import PAUSE_IMAGE, Layout
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.processes import Program

READY_TIMEOUT_S = 120.0
FIRST = ("registry", "etcd", "kube-apiserver", "containerd")
"""Started together: the API server itself waits for etcd. The others need the API server."""


def up(layout: Layout) -> None:
    """Make the cluster run; quick when it does already."""
    preflight.check_machine(layout)
    with locks.exclusive(layout.lock, waiting_for="its work on the cluster"):
        if layout.stopping.exists():
            with console.step("finishing an interrupted stop"):
                teardown.remove(layout)
        # A cluster whose programs are all alive has had its programs built.
        binaries = components.build()
        all_programs = components.all_programs(layout, binaries=binaries)
        to_start = [name for name, item in all_programs.items() if not processes.alive(item)]
        if not to_start and api.node_is_ready(layout):
            _recycle_volumes(layout, binaries["kubectl"])
            return
        stale = [name for name in to_start if processes.recorded(all_programs[name].pid_file)]
        preflight.check_surroundings(to_start=[name for name in to_start if name not in stale])
        was_there = layout.local.exists()
        try:
            _start(layout, all_programs, binaries)
        except ToolError:
            if not was_there:
                teardown.remove(layout)
            raise


def _start(layout: Layout, all_programs: dict[str, Program], binaries: dict[str, Path]) -> None:
    with console.step("starting the control plane"):
        layout.local.mkdir(parents=True, exist_ok=True)
        layout.registry.mkdir(parents=True, exist_ok=True)
        _make_volume_folders(layout)
        pki.ensure(layout)
        configs.write_all(layout)
        network.ensure(record=layout.state / "sysctls.json")
        cgroups.ensure()
        for name in FIRST:
            processes.start(all_programs[name])
        with ThreadPoolExecutor(1) as background:
            imported = background.submit(_import_pause, layout, all_programs, binaries["ctr"])
            _wait(lambda: api.is_ready(layout), all_programs, FIRST, what="the API server")
            imported.result()
    with console.step("starting the node"):
        _apply(layout, binaries["kubectl"])
        for name in components.NAMES:
            processes.start(all_programs[name])
        _wait(lambda: api.node_is_ready(layout), all_programs, components.NAMES, what="the node")
        _recycle_volumes(layout, binaries["kubectl"])


def _wait(
    ready: Callable[[], bool],
    all_programs: dict[str, Program],
    names: tuple[str, ...],
    *,
    what: str,
) -> None:
    awaited = [all_programs[name] for name in names]
    processes.wait_ready(awaited, ready, what=what, timeout_s=READY_TIMEOUT_S)


def _import_pause(layout: Layout, all_programs: dict[str, Program], ctr: Path) -> None:
    containerd = [str(ctr), "--address", str(layout.containerd_socket), "--namespace", "k8s.io"]
    _wait(
        lambda: command.succeeds([*containerd, "version"]),
        all_programs,
        ("containerd",),
        what="containerd",
    )
    if PAUSE_IMAGE in command.run([*containerd, "images", "list", "--quiet"]).split():
        return
    catatonit = packages.find("catatonit")
    if catatonit is None:
        raise ToolError("no catatonit: install the package catatonit")
    done = subprocess.run(
        [*containerd, "images", "import", "-"],
        input=pause.archive(catatonit),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise WorkFailedError(f"containerd refused the pause image: {done.stderr.decode()}")


def _apply(layout: Layout, kubectl: Path) -> None:
    arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"]
    command.run(
        [str(kubectl), "--kubeconfig", str(layout.kubeconfig), *arguments],
        text_input=manifests.render(layout),
    )


def _make_volume_folders(layout: Layout) -> None:
    for volume in manifests.volumes(layout):
        Path(volume["spec"]["local"]["path"]).mkdir(parents=True, exist_ok=True)


def _recycle_volumes(layout: Layout, kubectl: Path) -> None:
    """Empty volumes whose claim was deleted and offer them again."""
    names = [volume["metadata"]["name"] for volume in api.released_volumes(layout)]
    if not names:
        return
    command.run([str(kubectl), "--kubeconfig", str(layout.kubeconfig), "delete", "pv", *names])
    for name in names:
        shutil.rmtree(layout.volumes / name, ignore_errors=True)
    _make_volume_folders(layout)
    _apply(layout, kubectl)
