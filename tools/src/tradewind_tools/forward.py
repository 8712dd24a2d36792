"""Programs that run on beside us: kubectl in the background, and ports it forwards.

Every child ends with its context manager, by its pid, and with this process if that is killed.
"""

import queue
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from typing import IO, Any, Self

from tradewind_tools import kubectl
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.target import Target

END_TIMEOUT_S = 5.0
"""Between SIGTERM and SIGKILL of a child."""
FORWARD_TIMEOUT_S = 20.0
"""Until kubectl says which local port it took."""
OPEN_TIMEOUT_S = 60.0
"""For a pod that just restarts, as all do when the node came back."""
REPEAT_INTERVAL_S = 1.0

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


def start(target: Target, *arguments: str) -> subprocess.Popen[str]:
    """Start kubectl in the background, both outputs piped; the caller must `end` it."""
    return subprocess.Popen(
        [*dying_with_us(), *kubectl.command(target, *arguments)],
        env=kubectl.environment(target),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(child: subprocess.Popen[Any]) -> None:
    """End a child by its pid and collect it; nothing happens when it ended already."""
    child.terminate()
    try:
        child.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def dying_with_us() -> list[str]:
    """Return a prefix by which the kernel ends a child whose parent was killed, if there is one.

    The parent is the thread that starts it, so that thread has to outlive the child.
    """
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "TERM"] if found else []


class PortForward:
    """A service's port on this machine. `url()` opens it again after the pod behind it went.

    Use it with `with`, and from one thread.
    """

    def __init__(self, target: Target, *, service: str, port: int, namespace: str) -> None:
        self._target = target
        self._namespace = namespace
        self._service = service
        self._port = port
        self._child: subprocess.Popen[str] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        self.url()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self) -> str:
        """Return `http://127.0.0.1:PORT`; raises WorkFailedError when it cannot be opened."""
        if self._child is None or self._child.poll() is not None:
            self._open()
        return self._url

    def close(self) -> None:
        """End kubectl; `url()` would start it again."""
        if self._child is not None:
            end(self._child)
            self._child = None

    def _open(self) -> None:
        deadline_s = time.monotonic() + OPEN_TIMEOUT_S
        while True:
            self.close()
            try:
                self._open_once()
            except WorkFailedError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(REPEAT_INTERVAL_S)
            else:
                return

    def _open_once(self) -> None:
        service = f"service/{self._service}"
        self._child = start(
            self._target,
            f"--namespace={self._namespace}",
            "port-forward",
            "--address=127.0.0.1",
            service,
            f":{self._port}",
        )
        try:
            self._url = f"http://127.0.0.1:{_local_port(self._child)}"
        except _NoPortError as error:
            self.close()
            raise WorkFailedError(
                f"cannot forward a port to {service} in namespace {self._namespace!r} of context "
                f"{self._target.context!r}, look at `./task status`: {error}"
            ) from error
        except BaseException:
            self.close()
            raise


class _NoPortError(Exception):
    """kubectl ended, or said nothing in time."""


def _local_port(child: subprocess.Popen[str]) -> str:
    """Return the port that kubectl says it took."""
    pipes = [pipe for pipe in (child.stdout, child.stderr) if pipe]
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    heard: deque[str] = deque(maxlen=4)
    for pipe in pipes:
        threading.Thread(target=_listen, args=(pipe, said), daemon=True).start()
    deadline_s = time.monotonic() + FORWARD_TIMEOUT_S
    ended = 0
    while ended < len(pipes):
        try:
            line = said.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty as error:
            raise _NoPortError(f"no answer within {FORWARD_TIMEOUT_S:.0f} s") from error
        if line is None:
            ended += 1
        elif match := _FORWARDING.search(line):
            return match[1]
        else:
            heard.append(line)
    raise _NoPortError(" ".join(heard) or "kubectl ended without a word")


def _listen(pipe: IO[str], said: "queue.SimpleQueue[str | None]") -> None:
    """Read an output to its end, so that the child never blocks on a full pipe."""
    with pipe:
        for line in pipe:
            said.put(line.strip())
    said.put(None)
