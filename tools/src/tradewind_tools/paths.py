"""Where things lie: the checkout, the cache and the state of running things.

The cache holds what can be made again at the cost of time (built programs, tool environments,
base images); it is shared between checkouts. The state holds what belongs to running programs.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


def cache_dir() -> Path:
    """Return the cache folder, which may not exist yet."""
    if chosen := os.environ.get("TRADEWIND_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tradewind"


def state_dir() -> Path:
    """Return the folder of running things, which may not exist yet."""
    return Path(os.environ.get("TRADEWIND_STATE") or "/var/lib/tradewind").absolute()
