"""What an error of a claim means: one table. Pure.

The claim names uid and version of the pod, so it applies to the pod exactly as it was seen, or not
at all. Only where no answer came is it unknown which.
"""

from __future__ import annotations

from enum import Enum, auto
from uuid import UUID

from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.models import Pod
from tradewind.pods import labels


class Next(Enum):
    """What follows a claim that failed."""

    ANOTHER = auto()
    """The pod is not as it was seen any more, or gone: try the next."""
    LOOK = auto()
    """It may have applied: look at the pod."""
    COLD = auto()
    """It did not apply, and another would fare no better now."""
    STOP = auto()
    """We may not claim at all."""
    SEEN = auto()
    """Nothing: the watch has shown whose it is meanwhile, or the launch was revoked."""


_BY_STATUS = {
    401: Next.COLD,
    403: Next.STOP,
    404: Next.ANOTHER,
    409: Next.ANOTHER,
    422: Next.ANOTHER,
    429: Next.COLD,
}


def after(error: ClusterError | OSError) -> Next:
    """Return what follows; a server's error may come after the write, so it is no answer."""
    if not isinstance(error, ApiError):
        return Next.LOOK
    return _BY_STATUS.get(error.status, Next.LOOK if error.retryable else Next.COLD)


class Found(Enum):
    """Whose the pod is that we looked at."""

    OURS = auto()
    FREE = auto()
    """Nobody's yet: the claim did not apply, or not yet, so it is repeated on this very pod."""
    LOST = auto()


def found(pod: Pod, *, uid: str, launch_id: UUID) -> Found:
    """Return what a look at the pod says of a claim whose answer was lost.

    Args:
        pod: what has the pod's name now.
        uid: of the pod that was to be claimed.
        launch_id: the launch that wanted it.

    """
    if pod.metadata.uid != uid:
        return Found.LOST
    marks = pod.metadata.labels
    if labels.LAUNCH_ID not in marks:
        return Found.LOST if labels.DRAINING in marks else Found.FREE
    return Found.OURS if labels.launch_id_of(marks) == launch_id else Found.LOST
