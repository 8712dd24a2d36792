"""What the kernel counted for this container: peak memory, processor time.

Inside a container the mount of a controller is the container's own group, with version 1 as with
version 2; other containers of the pod are not in it. The peak holds page cache too, which the
kernel gives back under pressure: it is what the task used, not the least it would get along with.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")

_PEAK = ("memory.peak", "memory/memory.max_usage_in_bytes")
"""Of version 2 (kernel 5.19 and newer) and of version 1."""
_CPU_V2 = "cpu.stat"
_CPU_V1 = ("cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage")
_OOM = ("memory.events", "memory/memory.oom_control")
_OOM_KEY = "oom_kill"


def peak_memory_bytes(root: Path = ROOT) -> int | None:
    """Return the most memory the container had so far; None where the node does not tell."""
    return _first_number(root, _PEAK)


def cpu_s(root: Path = ROOT) -> float | None:
    """Return the container's processor time so far; None where the node does not tell."""
    microseconds = _keyed(root / _CPU_V2, "usage_usec")
    if microseconds is not None:
        return microseconds / 1e6
    nanoseconds = _first_number(root, _CPU_V1)
    return None if nanoseconds is None else nanoseconds / 1e9


def oom_kills(root: Path = ROOT) -> int | None:
    """Return how many processes of the container were killed for want of memory."""
    for name in _OOM:
        kills = _keyed(root / name, _OOM_KEY)
        if kills is not None:
            return kills
    return None


def _first_number(root: Path, names: tuple[str, ...]) -> int | None:
    for name in names:
        try:
            return int((root / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return None


def _keyed(path: Path, key: str) -> int | None:
    """Return the number after `key` in a file of `key number` lines."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next(int(number) for name, _, number in _split(lines) if name == key)
    except (OSError, ValueError, StopIteration):
        return None


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(" ") for line in lines]
