"""Read pods straight from the API server, for what a watch has not told. Loop thread only."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from tradewind.boarding.authenticator import NotReadyError
from tradewind.boarding.claims import Denied, Identity
from tradewind.boarding.picture import Picture
from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Metadata
from tradewind.client.paging import pages
from tradewind.client.protocol import PodReader
from tradewind.clock import Clock
from tradewind.pods import labels

log = logging.getLogger(__name__)


async def look(pods: PodReader, identity: Identity, *, installation: str) -> Metadata | None:
    """Return the pod as the API server has it now, or None when it is no more.

    Raises:
        Denied: it is none of ours.
        NotReadyError: the API server does not say.

    """
    try:
        pod = (await pods.get_pod(identity.namespace, identity.pod_name)).metadata
    except ClusterError as error:
        if isinstance(error, ApiError) and error.is_not_found:
            return None
        raise NotReadyError(f"pod {identity.pod_name} cannot be read: {error}") from error
    if pod.uid != identity.pod_uid:
        return None
    installed = pod.labels.get(labels.INSTALLATION)
    if installed is None or installed != (installation or installed):
        raise Denied("foreign_pod")
    return pod


class RollCall:
    """Finds what happened to waiting pods behind the back of a watch that died unseen.

    One list of the idle pods in a while serves all requests that are held; only who is missing
    in it is read by name. So a dead watch costs no launch more than that while, and hundreds of
    pods that wait cost one call instead of one each.
    """

    def __init__(
        self,
        pods: PodReader,
        *,
        picture: Picture,
        namespaces: Sequence[str],
        installation: str,
        every_s: float,
        page_size: int,
        clock: Clock,
    ) -> None:
        self._pods = pods
        self._picture = picture
        self._namespaces = namespaces
        self._installation = installation
        self._every_s = every_s
        self._page_size = page_size
        self._clock = clock

    async def run(self) -> None:
        """Call again and again until cancelled."""
        while True:
            await self._clock.sleep(self._every_s)
            try:
                await self._call()
            except (ClusterError, NotReadyError) as error:
                # The next one is soon; meanwhile the watch may well be alive.
                log.warning("idle pods cannot be listed: %s", error)

    async def _call(self) -> None:
        waiting = self._picture.waiting()
        if not waiting:
            return
        present: set[str] = set()
        for namespace in self._namespaces:
            async for page in pages(
                self._pods, namespace, selector=self._idle(), page_size=self._page_size
            ):
                present.update(
                    pod.metadata.uid
                    for pod in page.items
                    if labels.DRAINING not in pod.metadata.labels
                )
        for identity in waiting:
            if identity.pod_uid not in present and self._picture.holds(identity.pod_uid):
                await self._look(identity)

    async def _look(self, identity: Identity) -> None:
        try:
            pod = await look(self._pods, identity, installation=self._installation)
        except Denied:
            pod = None
        self._picture.on_look(identity.pod_uid, pod)

    def _idle(self) -> str:
        ours = labels.selector({labels.INSTALLATION: self._installation})
        return f"{ours if self._installation else labels.INSTALLATION},!{labels.LAUNCH_ID}"
