"""From a request's bearer token to the pod that presents it.

Two ways to verify: against the cluster's keys, which are fetched and kept (`CachedKeys`), or by
asking the API server each time (`ReviewedTokens`). What was verified is remembered by the token's
hash, for a waiting pod presents the same token every half minute. Loop thread only.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import Protocol

import jwt

from tradewind.boarding import keys
from tradewind.boarding.claims import Denied, Identity, Rules, identity_of
from tradewind.client.errors import ClusterError
from tradewind.client.identity import Identities
from tradewind.clock import Clock
from tradewind.errors import TradewindError

log = logging.getLogger(__name__)

_REFETCH_S = 10.0
"""Unknown keys make us ask the API server again no oftener than this."""
_STALE_S = 300.0
"""Keys are asked for again after this long, so that one that was withdrawn is not trusted on."""
_REVIEWED_S = 60.0
"""A token that the API server accepted is not asked about again for this long."""
_MOST_REMEMBERED = 10_000
_SCHEME = "bearer"


class NotReadyError(TradewindError):
    """Nobody can be identified yet, because the API server did not answer so far."""

    retryable = True


class Verifier(Protocol):
    """Proves that a cluster issued a token."""

    @property
    def generation(self) -> int:
        """Another number means that what was proven before has to be proven again."""
        ...

    async def claims(self, token: str) -> tuple[bytes, str | None]:
        """Return the token's claims as JSON, and the `iss` they must have if that is still open.

        Raises:
            Denied: the cluster did not issue it.
            NotReadyError: that cannot be said yet.

        """
        ...

    def kept_until_s(self, identity: Identity, *, now_s: float) -> float:
        """Return until when the proof holds, in seconds since the epoch."""
        ...


class Authenticator:
    """Accepts pods of one cluster."""

    def __init__(self, verifier: Verifier, *, rules: Rules, clock: Clock) -> None:
        self._verifier = verifier
        self._rules = rules
        self._clock = clock
        self._accepted: dict[bytes, tuple[Identity, float, int]] = {}

    async def identify(self, authorization: str | None) -> Identity:
        """Return the pod behind the value of an Authorization header.

        Raises:
            Denied: the identity is not accepted.
            NotReadyError: the cluster could not be asked so far.

        """
        token = _bearer(authorization)
        digest = hashlib.sha256(token.encode()).digest()
        now_s = self._clock.utc_s()
        known = self._accepted.pop(digest, None)
        if known is None or now_s >= known[1] or known[2] != self._verifier.generation:
            payload, issuer = await self._verifier.claims(token)
            identity = identity_of(payload, rules=self._rules, issuer=issuer, now_s=now_s)
            until_s = self._verifier.kept_until_s(identity, now_s=now_s)
            known = identity, until_s, self._verifier.generation
        # Put back at the end, so that the first is the one that was silent for longest.
        self._accepted[digest] = known
        if len(self._accepted) > _MOST_REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        return known[0]


class CachedKeys:
    """Verifies by the cluster's keys; asks for them when they are old or one is unknown."""

    def __init__(self, identities: Identities, *, clock: Clock) -> None:
        self._identities = identities
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._document = b""
        self._issuer = ""
        self.generation = 0
        self._asked_s = float("-inf")
        self._fetched_s = float("-inf")
        self._asking = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether there are keys to verify with."""
        return bool(self._keys)

    async def claims(self, token: str) -> tuple[bytes, str | None]:
        """Return the verified claims and the cluster's issuer; see `Verifier`."""
        if keys.key_id_of(token) not in self._keys:
            await self._ask_unless_just_asked()
        if not self._keys:
            raise NotReadyError("the cluster's keys are not known yet")
        return keys.verified(token, self._keys), self._issuer

    def kept_until_s(self, identity: Identity, *, now_s: float) -> float:
        """Return when the token ends, or when its key may have been withdrawn."""
        return min(identity.expires_s, now_s + _STALE_S)

    async def refresh(self) -> None:
        """Fetch keys and issuer when they are old.

        Raises:
            ClusterError: the API server does not give them.
            ValueError: what it gives is of no use.

        """
        async with self._asking:
            if self._clock.now_s() - self._fetched_s >= _STALE_S:
                await self._fetch()

    async def _ask_unless_just_asked(self) -> None:
        async with self._asking:
            if self._clock.now_s() - self._asked_s < _REFETCH_S:
                return
            try:
                await self._fetch()
            except (ClusterError, ValueError) as error:
                # The keys at hand stay: an API server that restarts must not lock pods out.
                log.warning("cannot fetch the keys that pods' tokens are signed with: %s", error)

    async def _fetch(self) -> None:
        self._asked_s = self._clock.now_s()
        document = await self._identities.keys()
        issuer = await self._identities.issuer()
        if (document, issuer) != (self._document, self._issuer):
            self._keys = keys.parse(document)
            self._document, self._issuer = document, issuer
            self.generation += 1
        self._fetched_s = self._clock.now_s()


class ReviewedTokens:
    """Verifies by asking the API server, with a TokenReview."""

    is_ready = True
    generation = 0

    def __init__(self, identities: Identities, *, rules: Rules, clock: Clock) -> None:
        self._identities = identities
        self._rules = rules
        self._clock = clock

    async def claims(self, token: str) -> tuple[bytes, str | None]:
        """Return the claims once the API server has accepted them; see `Verifier`."""
        payload = keys.unverified(token)
        # What we would refuse anyway costs the API server nothing.
        identity_of(payload, rules=self._rules, issuer=None, now_s=self._clock.utc_s())
        try:
            review = await self._identities.review(token, audience=self._rules.audience)
        except ClusterError as error:
            raise NotReadyError(f"a token cannot be reviewed: {error}") from error
        if not review.authenticated:
            raise Denied("not_authenticated")
        if self._rules.audience not in review.audiences:
            raise Denied("audience")
        return payload, None

    def kept_until_s(self, identity: Identity, *, now_s: float) -> float:
        """Return when the API server is asked again."""
        return min(identity.expires_s, now_s + _REVIEWED_S)

    async def refresh(self) -> None:
        """Nothing is kept."""


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != _SCHEME or not token.strip():
        raise Denied("no_token")
    return token.strip()
