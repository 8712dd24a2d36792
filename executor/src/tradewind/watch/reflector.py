"""Keep a picture of the selected pods of one namespace: list once, then watch, forever.

Invariants: every change of a pod reaches `on_change` once, folded by (uid, resourceVersion); a pod
that vanished while nobody watched is reported gone after the next list; no error ends `run`.
Loop thread only. 410 Gone leads to a new list and a diff, never to a restart of the program.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from tradewind import metrics
from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Metadata, Pod, WatchEvent
from tradewind.client.paging import pages
from tradewind.client.protocol import PodReader
from tradewind.clock import Clock
from tradewind.metrics import UNMEASURED, Metrics

log = logging.getLogger(__name__)

_WATCH_TIMEOUT_S = (300.0, 600.0)
"""Random length of one watch request, so that many watchers do not reconnect at once."""
_LEAST_WATCH_S = 1.0
"""A proxy that ends watches at once must not make us spin."""
_BACKOFF_S = (0.5, 30.0)
_RELIST_AFTER_S = 900.0
"""A complete list is the truth, whatever a watch has missed; taken when a watch ends by itself."""
_MOST_FAILURES = 4
"""Failures of a watch in a row after which its version is given up: a restored or failing etcd
refuses versions it does not know yet with other errors than 410."""
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A pod as it now is, or as it last was when it is gone."""

    pod: Pod
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A complete list of the pods of one namespace."""

    namespace: str
    """Empty for all namespaces."""
    began_s: float
    """Monotonic time before the request: pods that existed then are in the list."""
    uids: frozenset[str]


def _as_it_is(pod: Pod) -> Pod:
    return pod


class Reflector:
    """The pods of one namespace ("" for all) that match one selector."""

    def __init__(  # noqa: PLR0913 - nine injected dependencies
        self,
        cluster: PodReader,
        *,
        namespace: str,
        selector: str,
        page_size: int,
        clock: Clock,
        on_change: Callable[[Change], None],
        on_listed: Callable[[Listing], None],
        measured: Metrics = UNMEASURED,
        compact: Callable[[Pod], Pod] = _as_it_is,
    ) -> None:
        """Keep and report what `compact` leaves of each pod."""
        self._cluster = cluster
        self._namespace = namespace
        self._selector = selector
        self._page_size = page_size
        self._clock = clock
        self._on_change = on_change
        self._on_listed = on_listed
        self._measured = measured
        self._compact = compact
        self._pods: dict[str, Pod] = {}
        self._departed: dict[str, None] = {}
        """Pods that are gone, oldest first: what is still said of them is old news."""
        self._failures = 0
        self._stale_lists = 0
        """Lists in a row that were too old for the watch that followed them at once."""
        self._listed_s = 0.0
        self.heard_s = 0.0
        """Monotonic time of the last list, event or bookmark."""
        self.handler_errors = 0
        """Changes that their handler could not take."""
        self.synced = asyncio.Event()
        """Set once the first list is complete, and for good."""

    def pods(self) -> list[Pod]:
        """Return the pods of the picture, in no order."""
        return list(self._pods.values())

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                version = await self._relist()
                self._failures = 0
                await self._watch_from(version)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - a loop's top: logged, counted, waited out
                await self._back_off(error)

    async def _relist(self) -> str:
        """Replace the picture by a complete list and report the differences."""
        listed: dict[str, Pod] = {}
        version = ""
        began_s = self._clock.now_s()
        async for page in pages(
            self._cluster, self._namespace, selector=self._selector, page_size=self._page_size
        ):
            # Page by page: thousands of whole pods at once would leave the process large for good.
            listed.update((pod.metadata.uid, self._compact(pod)) for pod in page.items)
            version = page.metadata.resource_version
        for uid in [uid for uid in self._pods if uid not in listed]:
            self._depart(self._pods[uid])
        self._listed_s = began_s
        for pod in listed.values():
            self._fold(pod)
        self._report_listing(
            Listing(namespace=self._namespace, began_s=began_s, uids=frozenset(listed))
        )
        self.heard_s = self._clock.now_s()
        self.synced.set()
        return version

    async def _watch_from(self, version: str) -> None:
        """Watch again and again from the last seen version; return when only a list helps."""
        while True:
            opened_s = self._clock.now_s()
            timeout_s = random.uniform(*_WATCH_TIMEOUT_S)  # noqa: S311 - jitter, not a secret
            try:
                async for event in self._cluster.watch_pods(
                    self._namespace,
                    selector=self._selector,
                    resource_version=version,
                    timeout_s=timeout_s,
                ):
                    self._failures = self._stale_lists = 0
                    self.heard_s = self._clock.now_s()
                    version = event.pod.metadata.resource_version or version
                    self._apply(event)
            except ClusterError as error:
                if isinstance(error, ApiError) and error.is_gone:
                    await self._expired(opened_s)
                    return
                await self._back_off(error)
                if self._failures >= _MOST_FAILURES:
                    return
            else:
                if self._clock.now_s() - self._listed_s >= _RELIST_AFTER_S:
                    return
                if self._clock.now_s() - opened_s < _LEAST_WATCH_S:
                    await self._clock.sleep(_LEAST_WATCH_S)

    async def _expired(self, opened_s: float) -> None:
        """Take note that only a list helps; wait when the last one did not help either."""
        self._measured.count(metrics.WATCH_RELISTS, namespace=self._namespace)
        log.info("watch of pods in %r is too old, listing again", self._namespace)
        if self._clock.now_s() - opened_s >= _LEAST_WATCH_S:
            self._stale_lists = 0
        self._stale_lists += 1
        if self._stale_lists > 1:
            # A server that lags behind the one that listed would have us list without a pause.
            least_s, most_s = _BACKOFF_S
            await self._clock.sleep(min(most_s, least_s * 2 ** min(self._stale_lists - 2, 10)))

    def _apply(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self._depart(event.pod)
        elif event.type in {"ADDED", "MODIFIED"}:
            self._fold(self._compact(event.pod))

    def _fold(self, pod: Pod) -> None:
        known = self._pods.get(pod.metadata.uid)
        if pod.metadata.uid in self._departed or (
            known is not None and not is_newer(pod.metadata, known.metadata)
        ):
            return
        self._pods[pod.metadata.uid] = pod
        self._report(Change(pod=pod))

    def _depart(self, pod: Pod) -> None:
        self._pods.pop(pod.metadata.uid, None)
        if pod.metadata.uid in self._departed:
            return
        self._departed[pod.metadata.uid] = None
        if len(self._departed) > _MOST_REMEMBERED:
            del self._departed[next(iter(self._departed))]
        self._report(Change(pod=pod, gone=True))

    def _report(self, change: Change) -> None:
        try:
            self._on_change(change)
        except Exception:
            # One pod's surprise must not cost every other pod its news.
            self.handler_errors += 1
            log.exception("handling of pod %s failed", change.pod.metadata.name)

    def _report_listing(self, listing: Listing) -> None:
        try:
            self._on_listed(listing)
        except Exception:
            self.handler_errors += 1
            log.exception("handling of a list of pods in %r failed", self._namespace)

    async def _back_off(self, error: Exception) -> None:
        least_s, most_s = _BACKOFF_S
        wait_s = min(most_s, least_s * 2**self._failures) * random.uniform(0.5, 1.0)  # noqa: S311
        wait_s = max(wait_s, getattr(error, "retry_after_s", None) or 0.0)
        self._measured.count(metrics.WATCH_RECONNECTS, namespace=self._namespace)
        self._failures = min(self._failures + 1, 10)
        known = isinstance(error, ClusterError)
        log.warning(
            "watch of pods in %r failed, again in %.1f s: %s",
            self._namespace,
            wait_s,
            error,
            exc_info=None if known else error,
        )
        await self._clock.sleep(wait_s)


def is_newer(metadata: Metadata, known: Metadata) -> bool:
    """Compare versions as integers where they are, as Kubernetes promises since 1.35."""
    new, old = metadata.resource_version, known.resource_version
    if new.isdigit() and old.isdigit():
        return int(new) > int(old)
    return new != old
