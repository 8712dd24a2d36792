"""What each pool is to look like now: its spec, its pod, its target. Loop thread only.

A pool that cannot be rendered keeps what it has and asks for nothing; the log says why, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tradewind.clock import Clock
from tradewind.dispatch.pool.demand import Demand
from tradewind.dispatch.pool.spec import PoolSpec
from tradewind.errors import ConfigError
from tradewind.pods import labels
from tradewind.pods.merge import Manifest

log = logging.getLogger(__name__)

RENDER_EVERY_S = 10.0
"""How soon a changed template drains the pods that were made of the old one."""


class Renderer(Protocol):
    """Makes the pods of pools; the dispatcher's."""

    def boards(self) -> bool:
        """Whether pods can fetch their workload now."""
        ...

    async def render_idle(self, pool: PoolSpec, *, name: str) -> Manifest:
        """Return the manifest of a pod that waits for a launch."""
        ...


@dataclass(slots=True, kw_only=True)
class Pool:
    """One pool as it is wanted."""

    spec: PoolSpec
    demand: Demand
    template: str = ""
    """Hash of its pods as rendered last; empty while they cannot be."""
    namespace: str = ""
    rendered_s: float = float("-inf")
    trouble: str = ""
    """What the log was told last of why it cannot be rendered."""

    @property
    def name(self) -> str:
        """The spec's."""
        return self.spec.name


@dataclass(slots=True)
class Aims:
    """The pools of one executor."""

    load: Callable[[], Mapping[str, PoolSpec]]
    """Returns the pools there are to be; may raise ConfigError."""
    renderer: Renderer
    clock: Clock
    _pools: dict[str, Pool] = field(default_factory=dict)
    _trouble: str = ""

    async def refresh(self) -> None:
        """Read the setting, and render each pool's pod where that is due."""
        try:
            specs = self.load()
        except ConfigError as error:
            # What was wanted before stays: a slip must not drain every pool.
            self._trouble = tell(self._trouble, str(error))
        else:
            self._trouble = ""
            self._take(specs)
        for pool in self.all():
            if self.clock.now_s() - pool.rendered_s >= RENDER_EVERY_S:
                await self.render(pool, name="warm")

    def all(self) -> Sequence[Pool]:
        """Return every pool there is to be."""
        return list(self._pools.values())

    @property
    def is_sure(self) -> bool:
        """Whether the setting could be read: what it does not name may go."""
        return not self._trouble

    def named(self, name: str) -> Pool | None:
        """Return the pool of that name, or None."""
        return self._pools.get(name)

    async def render(self, pool: Pool, *, name: str) -> Manifest | None:
        """Return a pod of the pool, and take note of its hash; None when there is none to be."""
        pool.rendered_s = self.clock.now_s()
        try:
            manifest = await self.renderer.render_idle(pool.spec, name=name)
        except Exception as error:  # noqa: BLE001 - template and mutation hook are user input
            self._cannot(pool, f"pool {pool.name!r} keeps no pods: {error}")
            return None
        template = manifest["metadata"]["labels"][labels.TEMPLATE]
        for other in self.all():
            if other is not pool and other.template == template:
                self._cannot(
                    pool,
                    f"pool {pool.name!r} has the same pods as pool {other.name!r} and stays as it "
                    "is: remove one of them from [tradewind] warm_pools",
                )
                return None
        pool.template, pool.trouble = template, ""
        pool.namespace = manifest["metadata"]["namespace"]
        return manifest

    def _take(self, specs: Mapping[str, PoolSpec]) -> None:
        now_s = self.clock.now_s()
        self._pools = {
            spec.name: self._pools[spec.name]
            if spec.name in self._pools and self._pools[spec.name].spec == spec
            else Pool(spec=spec, demand=Demand(spec, now_s=now_s))
            for spec in specs.values()
        }

    def _cannot(self, pool: Pool, sentence: str) -> None:
        pool.template = ""
        pool.trouble = tell(pool.trouble, sentence)


def tell(before: str, sentence: str) -> str:
    """Log a sentence once for as long as it stays true, and return it."""
    if sentence != before:
        log.error("%s", sentence)
    return sentence
