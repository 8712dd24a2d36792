"""Mounts below the state folder: of pods' volumes, containers' roots and network namespaces."""

import re
from pathlib import Path

from tradewind_tools import command
from tradewind_tools.errors import WorkFailedError

ROUNDS = 5
"""Mounts can be stacked on one point, and killed containers release theirs late."""


def parse(mountinfo: str, *, below: Path) -> list[Path]:
    """Return the mount points at or below a folder, deepest and latest first."""
    points = [_unescape(line.split()[4]) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(below)]


def unmount_all(folder: Path) -> int:
    """Unmount everything at or below the folder; return how many mounts there were."""
    count = 0
    for _ in range(ROUNDS):
        points = parse(Path("/proc/self/mountinfo").read_text(), below=folder)
        if not points:
            return count
        # One that went with its parent meanwhile is no failure: the next round looks again.
        count += sum(command.succeeds(["umount", "--lazy", str(point)]) for point in points)
    raise WorkFailedError(f"cannot unmount {points[0]}: see what uses it with `fuser -m`")


def _unescape(text: str) -> Path:
    """Undo the octal escapes of blanks in /proc/self/mountinfo."""
    return Path(re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text))
