"""Airflow seam: where the worker watches the SDK's supervisor, and the one thing it changes.

Watched, without changing it: when the worker asks Airflow to start the task and what Airflow says
(`TaskInstanceOperations.start`), and when the task's own code begins (Airflow's listener hook
`on_task_instance_running`, the last thing the forked process does before `execute`).

Changed: for how long the worker asks for the start where no answer comes, see `ask_patiently`; and
how long the supervisor sleeps between the end of its child's sockets and the end of the child, see
`end_without_tail`.
"""

from __future__ import annotations

import functools
import inspect
import logging
import mmap
import random
import struct
import time
from collections.abc import Callable
from typing import Any

import httpx
from airflow.sdk._shared.listeners import hookimpl
from airflow.sdk.api.client import TaskInstanceOperations
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from airflow.sdk.listener import get_listener_manager

from tradewind.worker.endings import Start

log = logging.getLogger(__name__)

_MOMENT = struct.Struct("d")

ASKING_S = 300.0
"""How long a start is asked for, on top of what the SDK's own repetitions take."""
_PAUSE_S = (1.0, 10.0)
"""Between two rounds of them: pods that wait for the same server do not come back in one second."""

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

    def __init__(
        self,
        *,
        on_ask: Callable[[], None] = lambda: None,
        asking_s: float = ASKING_S,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._asking_s = asking_s
        self._now_s = now_s
        self._sleep = sleep
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
            ask = functools.partial(asked, *args, **kwargs)
            context = ask_patiently(ask, for_s=self._asking_s, now_s=self._now_s, sleep=self._sleep)
            self.start = Start.AGREED
            return context

        TaskInstanceOperations.start = start


def ask_patiently(
    ask: Callable[[], Any],
    *,
    for_s: float,
    now_s: Callable[[], float],
    sleep: Callable[[float], None],
) -> Any:
    """Return Airflow's answer to the start of a task, however late within `for_s` it comes.

    An API server that is flooded may start the task and answer too late. A pod that gives up then
    leaves a running task without a worker, which costs a try though nothing ran. Asking again is
    safe: Airflow gives the same process the same answer.

    Raises:
        Exception: what the last round raised; at once where it is an answer.

    """
    until_s = now_s() + for_s
    while True:
        try:
            return ask()
        except httpx.HTTPError as error:
            if _is_answer(error) or now_s() > until_s:
                raise
            log.warning("Airflow has not said whether the task may start, asking again: %r", error)
        sleep(random.uniform(*_PAUSE_S))  # noqa: S311 - spreads load, keeps no secret


def _is_answer(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and not error.response.is_server_error


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
