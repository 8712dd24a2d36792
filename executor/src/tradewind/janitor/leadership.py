"""One janitor writes at a time: whoever holds the Lease. Loop thread only.

A holder counts as alive while its Lease changes, by our own monotonic clock and never by comparing
clocks of two hosts. Who cannot renew stops writing well before anybody else may begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from tradewind.client.errors import ApiError
from tradewind.janitor.kube import Lease

DURATION_S = 60
_SAFE_SHARE = 2 / 3
"""Of its duration, for which a renewed Lease lets us write."""
_CONFLICT = 409


class Leases(Protocol):
    """The Lease's store."""

    async def read(self) -> Lease | None:
        """Return the Lease, or None before the first one."""
        ...

    async def write(self, lease: Lease) -> Lease:
        """Replace the Lease of that version; `ApiError` 409 when somebody else was faster."""
        ...


class Leadership:
    """Our claim on the Lease."""

    def __init__(
        self,
        leases: Leases,
        *,
        identity: str,
        monotonic_s: Callable[[], float],
        duration_s: int = DURATION_S,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._monotonic_s = monotonic_s
        self._duration_s = duration_s
        self._renewed_s = float("-inf")
        self._others = ("", "")
        self._others_since_s = 0.0
        self._lease: Lease | None = None

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as we know."""
        return self._lease.holder if self._lease else ""

    def may_write(self) -> bool:
        """Whether nobody else can be writing now."""
        return self._monotonic_s() - self._renewed_s < self._duration_s * _SAFE_SHARE

    async def renew(self) -> bool:
        """Take or keep the Lease if it is free or ours; return whether we hold it.

        Raises:
            ClusterError: it cannot be read or written; it is not ours then.

        """
        began_s = self._monotonic_s()
        self._lease = found = await self._leases.read()
        if found and found.holder not in {"", self._identity} and not self._has_lapsed(found):
            self._renewed_s = float("-inf")
            return False
        wanted = Lease(
            version=found.version if found else "",
            holder=self._identity,
            renewed=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            duration_s=self._duration_s,
        )
        try:
            self._lease = await self._leases.write(wanted)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            self._renewed_s = float("-inf")
            return False
        self._renewed_s = began_s
        return True

    async def release(self) -> None:
        """Let the next one begin at once, if the Lease is ours."""
        if self._lease and self._lease.holder == self._identity and self.may_write():
            self._renewed_s = float("-inf")
            await self._leases.write(replace(self._lease, holder=""))

    def _has_lapsed(self, found: Lease) -> bool:
        """Whether another's Lease did not change for as long as it says it may."""
        state = (found.holder, found.version)
        now_s = self._monotonic_s()
        if state != self._others:
            self._others, self._others_since_s = state, now_s
            return False
        return now_s - self._others_since_s >= max(found.duration_s, self._duration_s)
