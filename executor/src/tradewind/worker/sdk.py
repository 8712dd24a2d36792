"""Airflow seam: where the worker watches the SDK's supervisor, and the one thing it changes.

Watched, without changing it: when the worker asks Airflow to start the task and what Airflow says
(`TaskInstanceOperations.start`), and when the task's own code begins (Airflow's listener hook
`on_task_instance_running`, the last thing the forked process does before `execute`).

Changed: how long the supervisor sleeps between the end of its child's sockets and the end of the
child. See `end_without_tail`.
"""

from __future__ import annotations

import functools
import inspect
import mmap
import struct
import time
from collections.abc import Callable
from typing import Any

from airflow.sdk._shared.listeners import hookimpl
from airflow.sdk.api.client import TaskInstanceOperations
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from airflow.sdk.listener import get_listener_manager

from tradewind.worker.endings import Start

_MOMENT = struct.Struct("d")

SERVICE_PARAMETERS = ("self", "max_wait_time", "raise_on_timeout", "expect_signal")
"""Of `WatchedSubprocess._service_subprocess` as we know it; another one is left alone."""
_REAP_S = 0.01
"""The shortest wait that the supervisor itself allows."""


class UserCode:
    """Listener that notes when the task's own code begins, for the process that forked it."""

    def __init__(self) -> None:
        # Shared with the child, which is forked later: no descriptor, nothing to read or to close.
        self._shared = mmap.mmap(-1, _MOMENT.size)

    @hookimpl(trylast=True)
    def on_task_instance_running(self) -> None:
        """Note that everything before the task's own code is done. Child process."""
        _MOMENT.pack_into(self._shared, 0, time.time())

    @property
    def began_s(self) -> float | None:
        """Seconds since the epoch; None before, and where the task runs as another user."""
        (moment,) = _MOMENT.unpack_from(self._shared, 0)
        return moment or None


class Watch:
    """What is known of the task's start."""

    def __init__(self, *, on_ask: Callable[[], None] = lambda: None) -> None:
        self.start = Start.NOT_ASKED
        self.run_s: float | None = None
        """When the worker asked Airflow to start the task, in seconds since the epoch."""
        self._on_ask = on_ask
        self._user_code = UserCode()

    @property
    def user_code_s(self) -> float | None:
        """When the task's own code began, in seconds since the epoch."""
        return self._user_code.began_s

    def begins_unasked(self) -> None:
        """Take note that the workload is none whose start Airflow is asked for."""
        self.start = Start.NEEDS_NONE
        self._on_ask()

    def attach(self) -> None:
        """Begin to watch. Once per process, before anything forks; loads Airflow's plugins."""
        get_listener_manager().add_listener(self._user_code)
        asked = TaskInstanceOperations.start

        @functools.wraps(asked)
        def start(*args: Any, **kwargs: Any) -> Any:
            self.run_s = time.time()
            self._on_ask()
            self.start = Start.REFUSED
            context = asked(*args, **kwargs)
            self.start = Start.AGREED
            return context

        TaskInstanceOperations.start = start


def end_without_tail() -> bool:
    """Let the supervisor notice its child's end at once; return whether it could be done.

    When the child closes the last of its sockets a moment before it can be reaped, Airflow 3.3.2
    waits on a selector without any sockets for the whole heartbeat interval: the pod, its slot and
    its quota are held five seconds after the task. Remove when the selector watches the process.
    """
    serviced = WatchedSubprocess._service_subprocess  # noqa: SLF001 - see above
    if tuple(inspect.signature(serviced).parameters) != SERVICE_PARAMETERS:
        return False

    @functools.wraps(serviced)
    def service(self: Any, max_wait_time: float, *args: Any, **kwargs: Any) -> Any:
        if not self._open_sockets:
            max_wait_time = min(max_wait_time, _REAP_S)
        return serviced(self, max_wait_time, *args, **kwargs)

    WatchedSubprocess._service_subprocess = service  # noqa: SLF001 - see above
    return True
