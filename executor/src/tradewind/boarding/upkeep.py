"""Keys and watches of one cluster, kept up for as long as the process lives. Loop thread only."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass

from tradewind.boarding.authenticator import Authenticator, CachedKeys, ReviewedTokens
from tradewind.boarding.claims import Rules, accounts_of
from tradewind.boarding.endpoint import Site
from tradewind.boarding.look import RollCall
from tradewind.boarding.picture import Picture
from tradewind.client.errors import ClusterError
from tradewind.client.identity import Identities
from tradewind.client.protocol import Cluster, PodReader
from tradewind.clock import Clock
from tradewind.config import Settings
from tradewind.metrics import Metrics
from tradewind.pods import labels
from tradewind.watch.reflector import Reflector

log = logging.getLogger(__name__)

_FRESHEN_S = 30.0
_FRESHEN_AGAIN_S = (1.0, 30.0)
_CALL_AFTER = 0.8
"""A watch that died unseen costs a claimed pod less than one hold, the call itself included."""
_DEAF_FACTOR = 2.0
"""A watch that heard nothing for so many silences is not merely being opened anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A cluster whose pods may ask, and the settings that name it."""

    cluster: Cluster
    identities: Identities
    settings: Settings


class Upkeep:
    """Serves one cluster's pods."""

    def __init__(self, source: Source, *, clock: Clock, measured: Metrics) -> None:
        settings = source.settings
        self._source = source
        self._picture = Picture(clock=clock, measured=measured)
        self._clock = clock
        self._measured = measured
        self._rules = Rules(
            audience=settings.boarding_audience,
            accounts=accounts_of(
                settings.boarding_service_accounts, namespaces=settings.watched_namespaces
            ),
            namespaces=settings.watched_namespaces,
        )
        self._verifier = self._made_verifier()
        pods = source.cluster.metadata_only()
        self._reflectors = {
            namespace: self._reflector(pods, namespace)
            for namespace in settings.watched_namespaces or ("",)
        }
        self._roll_call = RollCall(
            pods,
            picture=self._picture,
            namespaces=tuple(self._reflectors),
            installation=settings.installation,
            every_s=settings.boarding_hold_s * _CALL_AFTER,
            page_size=settings.list_page_size,
            clock=clock,
        )
        self.site = Site(
            authenticator=Authenticator(self._verifier, rules=self._rules, clock=clock),
            pods=pods,
            picture=self._picture,
            installation=settings.installation,
            hold_s=settings.boarding_hold_s,
        )

    async def run(self) -> None:
        """Watch and keep the keys fresh until cancelled, then close the connections."""
        if not self._rules.accounts:
            log.error(
                "no pod is given its workload: where every namespace is watched, [tradewind] "
                "boarding_service_accounts has to name the ServiceAccounts of task pods"
            )
        try:
            async with asyncio.TaskGroup() as tasks:
                for reflector in self._reflectors.values():
                    tasks.create_task(reflector.run())
                tasks.create_task(self._roll_call.run())
                tasks.create_task(self._keep_fresh())
        finally:
            with contextlib.suppress(Exception):
                await self._source.cluster.close()

    @property
    def held(self) -> int:
        """How many requests wait."""
        return self._picture.held

    def missing(self) -> list[str]:
        """Return what keeps pods from being answered, in sentences without addresses."""
        found = []
        if not self._rules.accounts:
            found.append("no ServiceAccount is accepted: set boarding_service_accounts")
        if not self._verifier.is_ready:
            found.append("the cluster's signing keys are not known")
        deaf_s = self._source.settings.watch_silence_s * _DEAF_FACTOR
        for namespace, reflector in self._reflectors.items():
            where = f"in namespace {namespace}" if namespace else "of the cluster"
            if not reflector.synced.is_set():
                found.append(f"the pods {where} are not listed")
            elif self._clock.now_s() - reflector.heard_s > deaf_s:
                found.append(f"the watch of the pods {where} is silent")
        return found

    def _made_verifier(self) -> CachedKeys | ReviewedTokens:
        identities, clock = self._source.identities, self._clock
        if self._source.settings.boarding_verify == "jwks":
            return CachedKeys(identities, clock=clock)
        return ReviewedTokens(identities, rules=self._rules, clock=clock)

    def _reflector(self, pods: PodReader, namespace: str) -> Reflector:
        settings = self._source.settings
        ours = labels.selector({labels.INSTALLATION: settings.installation})
        return Reflector(
            pods,
            namespace=namespace,
            selector=ours if settings.installation else labels.INSTALLATION,
            page_size=settings.list_page_size,
            clock=self._clock,
            on_change=self._picture.on_change,
            on_listed=lambda _: None,
            measured=self._measured,
        )

    async def _keep_fresh(self) -> None:
        least_s, most_s = _FRESHEN_AGAIN_S
        failures = 0
        while True:
            try:
                await self._verifier.refresh()
            except (ClusterError, ValueError) as error:
                wait_s = min(most_s, least_s * 2**failures)
                failures = min(failures + 1, 10)
                log.warning(
                    "cannot fetch the keys that pods' tokens are signed with, again in %.0f s: %s",
                    wait_s,
                    error,
                )
                await self._clock.sleep(wait_s)
            else:
                failures = 0
                await self._clock.sleep(_FRESHEN_S)
