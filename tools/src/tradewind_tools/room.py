"""Free space, asked for before work that would end half-way without it."""

import shutil
from pathlib import Path

from tradewind_tools.errors import ToolError

GIB = 1024**3


def check(folder: Path, *, needed_gib: float, what: str) -> None:
    """Raise ToolError when the file system of `folder` (which may not exist yet) lacks room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_gib = shutil.disk_usage(existing).free / GIB
    if free_gib < needed_gib:
        raise ToolError(
            f"{existing} has {free_gib:.1f} GiB free, {what} needs {needed_gib:g} GiB: free some, "
            "or set TRADEWIND_STATE and TRADEWIND_CACHE to folders on a larger disk"
        )
