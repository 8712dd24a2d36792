"""One option, as users write it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option as users write it."""

    name: str
    kind: str
    """`string`, `integer`, `float` or `boolean`: Airflow's own type names."""
    default: str
    description: str
    fallback: str | None = None
    """Name of the same option in `[kubernetes_executor]`, or None when upstream has none."""
    upstream_default: str = ""
    """Upstream's default where ours is another. Its provider publishes it as if users had set it,
    so that this value in its section says nothing."""
