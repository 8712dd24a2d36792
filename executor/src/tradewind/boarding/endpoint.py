"""One request of a pod, from its token to its answer. Loop thread only.

The order is the protection: who is it, does it ask too often, is it a request, whose pod is it; the
database is asked last, and only about a launch that the pod's own labels name.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from tradewind import metrics
from tradewind.boarding import answers
from tradewind.boarding.answers import Answer
from tradewind.boarding.authenticator import Authenticator, NotReadyError
from tradewind.boarding.claims import Denied, Identity
from tradewind.boarding.limits import RateLimit, Seldom
from tradewind.boarding.look import look
from tradewind.boarding.picture import Picture
from tradewind.boarding.standing import Claimed, Idle, Leaving, standing_of
from tradewind.client.models import Metadata
from tradewind.client.protocol import PodReader
from tradewind.clock import Clock
from tradewind.contract import PROTOCOL
from tradewind.metrics import UNMEASURED, Metrics
from tradewind.pods import labels

log = logging.getLogger(__name__)

_SAY_AGAIN_S = 60.0
_JITTER = 0.2
"""Holds differ by as much, so that pods do not ask in waves after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The launch is not the pod's any more; state of its row, None when there is none."""

    state: str | None


HandOver: TypeAlias = Callable[[Claimed], Awaitable[bytes | Closed]]
"""From a claim to the workload as JSON, with a token minted now. Raises when it cannot be said."""


class BoardRequest(msgspec.Struct, frozen=True):
    """What a worker sends."""

    protocol: int
    template: str = ""
    """Hash of what its pod was rendered from, where it knows."""
    worker: str = ""
    """Its version."""
    hold: float = 0.0
    """Seconds it can wait for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One cluster whose pods may ask."""

    authenticator: Authenticator
    pods: PodReader
    picture: Picture
    installation: str
    """Value of the label that tells our pods from others'; empty takes any that has one."""
    hold_s: float
    """How long the request of an idle pod may wait, give or take a fifth."""


_request = msgspec.json.Decoder(BoardRequest)


class Endpoint:
    """Answers the pods of all clusters of this Airflow."""

    def __init__(
        self,
        sites: Sequence[Site],
        *,
        hand_over: HandOver,
        clock: Clock,
        measured: Metrics = UNMEASURED,
    ) -> None:
        self._sites = sites
        self._hand_over = hand_over
        self._clock = clock
        self._measured = measured
        self._rate = RateLimit()
        self._seldom = Seldom(_SAY_AGAIN_S)

    async def board(
        self, authorization: str | None, read_body: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        """Return the answer to one request; `read_body` is awaited once the pod is known."""
        try:
            return await self._board(authorization, read_body)
        except Denied as denied:
            self._measured.count(metrics.BOARD_DENIED, reason=denied.reason)
            if times := self._seldom.due(denied.reason, now_s=self._clock.now_s()):
                log.warning("requests for a workload denied: %s (%d)", denied.reason, times)
            return answers.denied(denied.reason)
        except NotReadyError as error:
            if times := self._seldom.due("not_ready", now_s=self._clock.now_s()):
                log.warning("pods have to wait for their workloads: %s (%d)", error, times)
            return answers.unavailable("cluster")

    async def _board(
        self, authorization: str | None, read_body: Callable[[], Awaitable[bytes]]
    ) -> Answer:
        site, identity = await self._identify(authorization)
        if not self._rate.allows(identity.pod_uid, now_s=self._clock.now_s()):
            return self._throttled(answers.too_fast())
        try:
            request = _request.decode(await read_body())
        except (msgspec.DecodeError, UnicodeDecodeError):
            return answers.bad_request()
        if request.protocol != PROTOCOL:
            return self._superseded(answers.upgrade("protocol"))
        pod = site.picture.pod(identity.pod_uid)
        if pod is None:
            pod = await look(site.pods, identity, installation=site.installation)
        if pod is not None and _is_of_another_template(pod, request.template):
            return self._superseded(answers.upgrade("template"))
        if pod is not None and isinstance(standing_of(pod), Idle):
            return await self._wait(site, identity, request)
        return await self._answer(pod, identity)

    async def _identify(self, authorization: str | None) -> tuple[Site, Identity]:
        """Return the first cluster that vouches for the token, and the pod."""
        refused: Denied | NotReadyError | None = None
        for site in self._sites:
            try:
                return site, await site.authenticator.identify(authorization)
            except (Denied, NotReadyError) as error:
                refused = refused or error
        raise refused or NotReadyError("no cluster is known yet")

    async def _wait(self, site: Site, identity: Identity, request: BoardRequest) -> Answer:
        """Hold the request of an idle pod until there is something to say."""
        picture = site.picture
        if picture.is_full and not picture.holds(identity.pod_uid):
            return self._throttled(answers.too_many())
        most_s = min(site.hold_s, max(0.0, request.hold))
        seconds = most_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
        match await picture.hold(identity, seconds=seconds):
            case "changed":
                return await self._answer(picture.pod(identity.pod_uid), identity)
            case "replaced":
                return self._nothing_yet(reason="replaced")
        return self._nothing_yet()

    async def _answer(self, pod: Metadata | None, identity: Identity) -> Answer:
        standing = Leaving(reason="gone") if pod is None else standing_of(pod)
        match standing:
            case Idle():
                return self._nothing_yet()
            case Claimed():
                return await self._deliver(standing, identity)
            case Leaving(reason="unreadable"):
                return self._superseded(answers.not_open(None))
        return self._superseded(answers.leaving(standing.reason))

    async def _deliver(self, claim: Claimed, identity: Identity) -> Answer:
        try:
            handed = await self._hand_over(claim)
        except Exception:
            log.exception(
                "launch %s cannot be handed to pod %s", claim.launch_id, identity.pod_name
            )
            return answers.unavailable("database")
        if isinstance(handed, Closed):
            log.info(
                "launch %s is not open for pod %s: its row is %s",
                claim.launch_id,
                identity.pod_name,
                handed.state,
            )
            return self._superseded(answers.not_open(handed.state))
        log.info("launch %s handed to pod %s", claim.launch_id, identity.pod_name)
        self._measured.count(metrics.BOARD_DELIVERED, workload=claim.kind)
        if claim.claimed_s is not None:
            waited_s = max(0.0, self._clock.utc_s() - claim.claimed_s)
            self._measured.timing(metrics.BOARD_HANDOVER, waited_s)
        return answers.handed_over(handed)

    def _nothing_yet(self, *, reason: str = "") -> Answer:
        self._measured.count(metrics.BOARD_EMPTY)
        return answers.nothing_yet(reason=reason)

    def _superseded(self, answer: Answer) -> Answer:
        self._measured.count(metrics.BOARD_SUPERSEDED, reason=answer.reason)
        return answer

    def _throttled(self, answer: Answer) -> Answer:
        self._measured.count(metrics.BOARD_THROTTLED, reason=answer.reason)
        return answer


def _is_of_another_template(pod: Metadata, template: str) -> bool:
    """Return whether the pod was rendered from something else than its worker believes."""
    return bool(template) and pod.labels.get(labels.TEMPLATE, template) != template
