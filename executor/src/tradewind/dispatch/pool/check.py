"""Judge `[tradewind] warm_pools` before a scheduler keeps pods by it."""

from __future__ import annotations

from tradewind.config import Settings
from tradewind.dispatch.pool import pools, spec
from tradewind.dispatch.pool.aims import Renderer
from tradewind.errors import ConfigError
from tradewind.pods import labels


async def check(settings: Settings, renderer: Renderer, *, team: str = "") -> int:
    """Return how many pools there are to be; each of them can make pods of a shape of its own.

    Raises:
        ConfigError: the setting is unusable, names pods that cannot be made, or pods do not board.

    """
    wanted = list(pools.loader(settings, team=team)().values())
    if wanted and settings.delivery == "args":
        raise ConfigError(
            "[tradewind] warm_pools needs pods that fetch their workload, but delivery is 'args': "
            "set delivery to auto or boarding, or take warm_pools out"
        )
    shapes: dict[str, str] = {}
    for one in wanted:
        shape = await _shape(one, renderer)
        if shape in shapes:
            raise ConfigError(
                f"[tradewind] warm_pools, pools {shapes[shape]!r} and {one.name!r} have the same "
                "pods: remove one, or give it a queue, profile or pod_template_file of its own"
            )
        shapes[shape] = one.name
    return len(wanted)


async def _shape(pool: spec.PoolSpec, renderer: Renderer) -> str:
    try:
        manifest = await renderer.render_idle(pool, name="warm-check")
    except ConfigError as error:
        raise ConfigError(f"[tradewind] warm_pools, pool {pool.name!r}: {error}") from error
    shape: str = manifest["metadata"]["labels"][labels.TEMPLATE]
    return shape
