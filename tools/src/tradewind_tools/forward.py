"""Reach a target's cluster: kubectl bound to one context, and ports forwarded from services.

Everything that talks to a cluster goes through `Kubectl`, which always names kubeconfig and
context: a cluster that the user did not name is never touched. Children that run on (a forwarded
port, a watch) end with their context manager, and with this process if it is killed.
"""

import json
import queue
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from tradewind_tools import command, programs
from tradewind_tools.errors import WorkFailedError

NAMESPACE = "tradewind"
"""Where the release is installed, whatever the cluster."""

END_TIMEOUT_S = 5.0
"""Between SIGTERM and SIGKILL of a child."""
FORWARD_TIMEOUT_S = 20.0
"""Until kubectl says which local port it took."""

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """kubectl for one context and namespace."""

    kubeconfig: Path
    context: str
    namespace: str = NAMESPACE

    def command(self, *arguments: str) -> list[str]:
        """Return the command line for kubectl with these arguments."""
        binary = programs.ensure("kubernetes", binaries=["kubectl"])["kubectl"]
        where = [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}"]
        return [str(binary), *where, f"--namespace={self.namespace}", *arguments]

    def run(self, *arguments: str, text_input: str | None = None, timeout_s: float = 60) -> str:
        """Return what kubectl printed; raises WorkFailedError with its reason."""
        return command.run(self.command(*arguments), text_input=text_input, timeout_s=timeout_s)

    def items(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects of a kind, as the API gives them."""
        found: list[dict[str, Any]] = json.loads(self.run("get", kind, "-o", "json", *arguments))[
            "items"
        ]
        return found

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """Return one object, or None when there is none of that name."""
        text = self.run("get", kind, name, "-o", "json", "--ignore-not-found")
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def apply(self, *documents: dict[str, Any]) -> None:
        """Make the objects be as described."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
        self.run("apply", "-f", "-", text_input=text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start kubectl in the background, both outputs piped; the caller must `end` it."""
        return subprocess.Popen(
            [*_dying_with_us(), *self.command(*arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def end(child: subprocess.Popen[str]) -> None:
    """End a child by its pid and collect it; nothing happens when it ended already."""
    child.terminate()
    try:
        child.wait(END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _dying_with_us() -> list[str]:
    """Return a prefix that makes the kernel end a child when its parent is killed, if there is one.

    The parent is the thread that starts it, so that thread has to outlive the child.
    """
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "TERM"] if found else []


class PortForward:
    """A service's port on this machine. `url()` opens it again after the pod behind it went.

    Use it with `with`, and from one thread.
    """

    def __init__(self, kubectl: Kubectl, *, service: str, port: int) -> None:
        self._kubectl = kubectl
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
            self.close()
            self._open()
        return self._url

    def close(self) -> None:
        """End kubectl; `url()` would start it again."""
        if self._child is not None:
            end(self._child)
            self._child = None

    def _open(self) -> None:
        service = f"service/{self._service}"
        self._child = self._kubectl.start(
            "port-forward", "--address=127.0.0.1", service, f":{self._port}"
        )
        try:
            self._url = f"http://127.0.0.1:{_local_port(self._child)}"
        except BaseException as error:
            self.close()
            if not isinstance(error, _NoPortError):
                raise
            raise WorkFailedError(
                f"cannot forward a port to {service} in namespace {self._kubectl.namespace!r} "
                f"of context {self._kubectl.context!r}, look at `./task status`: {error}"
            ) from error


class _NoPortError(Exception):
    """kubectl ended, or said nothing in time."""


def _local_port(child: subprocess.Popen[str]) -> str:
    """Return the port that kubectl says it took."""
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    heard: deque[str] = deque(maxlen=4)
    for pipe in (child.stdout, child.stderr):
        threading.Thread(target=_listen, args=(pipe, said), daemon=True).start()
    deadline_s = time.monotonic() + FORWARD_TIMEOUT_S
    ended = 0
    while ended < len((child.stdout, child.stderr)):
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
