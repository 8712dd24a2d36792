"""What a call to the API server can end with, as data that policies can judge.

`retryable` answers only whether repeating can help; whether it is safe is the caller's decision
(creates are: their names are deterministic).
"""

from __future__ import annotations

from tradewind.errors import TradewindError

_MESSAGE_CHARS = 1000
"""The longest sentences worth reading whole are Pod Security's, about 600 characters."""
_RETRYABLE_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class ClusterError(TradewindError):
    """Base of everything `Cluster` methods raise."""


class ConnectionLostError(ClusterError):
    """No complete answer arrived: refused, reset, timed out. The call may have taken effect."""

    retryable = True


class CredentialError(ClusterError):
    """We have nothing to sign in with right now, so that the call was not even tried.

    Repeating can help: a token service recovers, a rotated file arrives.
    """

    retryable = True


class ApiError(ClusterError):
    """The server answered with an error status."""

    def __init__(
        self,
        status: int,
        *,
        reason: str = "",
        message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        shown = message if len(message) <= _MESSAGE_CHARS else f"{message[:_MESSAGE_CHARS]}…"
        super().__init__(f"{status} {reason or 'error'}: {shown}")
        self.status = status
        self.reason = reason
        self.message = shown
        self.retryable = status in _RETRYABLE_STATUS
        self.retry_after_s = retry_after_s

    @property
    def is_gone(self) -> bool:
        """Whether a watch's or list's resourceVersion is too old, so that only a new list helps."""
        return self.status == 410  # noqa: PLR2004 - HTTP Gone

    @property
    def is_not_found(self) -> bool:
        """Whether the object does not exist."""
        return self.status == 404  # noqa: PLR2004 - HTTP Not Found

    @property
    def is_already_exists(self) -> bool:
        """Whether a create met an object of the same name."""
        return self.status == 409 and self.reason == "AlreadyExists"  # noqa: PLR2004

    @property
    def is_quota(self) -> bool:
        """Whether a ResourceQuota refused a create; it passes when other pods end."""
        return self.status == 403 and "exceeded quota" in self.message  # noqa: PLR2004
