"""What a pod's containers wrote: which of them to read, how much of it is worth keeping. Pure."""

from __future__ import annotations

import re

from tradewind.client.models import ContainerStatus, Pod
from tradewind.pods import state
from tradewind.pods.template import BASE_CONTAINER

MOST_LINES = 50
MOST_CHARS = 12_000
"""Fits the narrowest column of a metadata database, 64 KiB, whatever the alphabet."""
_MOST_LINE_CHARS = 4_000

_UNSHOWN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours and control characters: PostgreSQL refuses a whole batch of rows for a single NUL."""
_TOKEN = re.compile(r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{6,}")
_CUT = "… (cut)"


def containers_with_logs(pod: Pod) -> list[str]:
    """Return the containers to show: the task's own, before it the init containers that matter.

    An init container matters while the task's container has not begun, and when it failed.
    """
    began = state.has_started(pod)
    shown = [
        status.name
        for status in pod.status.init_container_statuses
        if _has_output(status) and (not began or _failed(status))
    ]
    return [*shown, BASE_CONTAINER] if began else shown


def last_lines(text: str) -> str:
    """Return the end of a container's log, without colours, control characters and tokens.

    At most 50 lines and 12,000 characters. Airflow masks what a worker logs before it is
    written; what a shell or a crash wrote beside it may quote the worker's arguments.
    """
    kept: list[str] = []
    room = MOST_CHARS
    for line in reversed(text.splitlines()[-MOST_LINES:]):
        masked = _TOKEN.sub("***", _UNSHOWN.sub("", line))
        if len(masked) > _MOST_LINE_CHARS:
            masked = masked[: _MOST_LINE_CHARS - len(_CUT)] + _CUT
        room -= len(masked) + 1
        if room < 0:
            break
        kept.append(masked)
    return "\n".join(reversed(kept))


def _has_output(status: ContainerStatus) -> bool:
    return status.state.running is not None or status.state.terminated is not None


def _failed(status: ContainerStatus) -> bool:
    return status.state.terminated is not None and status.state.terminated.exit_code != 0
