"""The control group that holds every container of the local cluster.

Works on cgroup v1 (one tree per controller) and v2 (one tree). Having a parent of our own is what
lets `down` find and end container processes whose shim is already gone.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tradewind_tools.cluster.layout import CGROUP

ROOT = Path("/sys/fs/cgroup")
KILL_TIMEOUT_S = 20.0


def is_v2(root: Path = ROOT) -> bool:
    """Tell whether the machine uses the unified hierarchy."""
    return (root / "cgroup.controllers").exists()


def ensure(root: Path = ROOT) -> None:
    """Make our group in every hierarchy, with all controllers that the kernel offers."""
    if is_v2(root):
        for controller in (root / "cgroup.controllers").read_text().split():
            _write(root / "cgroup.subtree_control", f"+{controller}")
    for hierarchy in _hierarchies(root):
        group = hierarchy / CGROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # A new cpuset of v1 is empty, and no process can enter it.
            if not is_v2(root) and (hierarchy / name).exists():
                (group / name).write_text((hierarchy / name).read_text())


def remove(root: Path = ROOT) -> int:
    """End every process in our group and remove it; return how many were ended."""
    killed: set[int] = set()
    deadline_s = time.monotonic() + KILL_TIMEOUT_S
    while (left := set(_processes(root))) and time.monotonic() < deadline_s:
        for pid in left:
            _kill(pid)
        killed |= left
        time.sleep(0.1)
    for hierarchy in _hierarchies(root):
        for group in sorted(_groups(hierarchy), key=lambda path: -len(path.parts)):
            _remove_folder(group)
    return len(killed)


def _hierarchies(root: Path) -> list[Path]:
    if is_v2(root):
        return [root]
    return sorted(
        path
        for path in root.iterdir()
        # Not symlinks (cpu -> cpu,cpuacct). A hybrid machine's unified tree counts: runc uses it.
        if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()
    )


def _groups(hierarchy: Path) -> Iterator[Path]:
    top = hierarchy / CGROUP
    if top.is_dir():
        yield top
        yield from (path for path in top.rglob("*") if path.is_dir())


def _processes(root: Path) -> Iterator[int]:
    for hierarchy in _hierarchies(root):
        for group in _groups(hierarchy):
            try:
                pids = (group / "cgroup.procs").read_text().split()
            except OSError:
                continue  # Removed meanwhile.
            yield from map(int, pids)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _remove_folder(group: Path) -> None:
    for _ in range(20):
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.05)  # The kernel needs a moment after the last process.
        else:
            return


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError:
        return  # A controller that cannot be delegated here; kubelet names it if it needs it.
