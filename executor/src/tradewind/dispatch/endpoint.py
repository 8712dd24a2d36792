"""Asks the boarding endpoint whether it is there. Loop thread only.

Pods fetch their workload only where somebody hands it out. Once it has answered it is taken to
stay: what is down for a while is waited for by the pods themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from tradewind.client.endpoint import Answer
from tradewind.clock import Clock
from tradewind.dispatch import endpoint_policy
from tradewind.dispatch.endpoint_policy import Standing

log = logging.getLogger(__name__)

SOON_S = 5.0
LATER_S = 60.0
"""An installation without the plugin is asked for as long as its scheduler lives."""
SOON_FOR_S = 300.0
"""So long after the start the API server may still be starting too."""

Ask = Callable[[str], Awaitable[Answer]]
"""From the address; `client.endpoint.ask`."""


class Endpoint:
    """What is known of one address."""

    def __init__(self, url: str, *, ask: Ask, clock: Clock) -> None:
        self._url = url
        self._ask = ask
        self._clock = clock
        self._told = ""
        self.has_answered = False
        """Whether it answered once since the start."""

    async def run(self) -> None:
        """Ask until it answers; without an address there is nobody to ask."""
        began_s = self._clock.now_s()
        while self._url and not self.has_answered:
            await self.look()
            young = self._clock.now_s() - began_s < SOON_FOR_S
            await self._clock.sleep(SOON_S if young else LATER_S)

    async def look(self) -> Standing:
        """Return how it stands now. Never raises."""
        standing = endpoint_policy.judge(await self._ask(self._url), url=self._url)
        self.has_answered = self.has_answered or standing.answers
        if standing.found != self._told:
            # Once per news: a missing plugin is a choice, and asked about for ever.
            self._told = standing.found
            log.info("%s%s", standing.found, f": {standing.remedy}" if standing.remedy else "")
        return standing
