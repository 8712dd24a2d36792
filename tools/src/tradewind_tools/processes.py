"""Background programs: started detached, found again, stopped by process id and nothing else.

Two independent marks say that a process is ours. Its pid file records pid, start time and boot
id, so a recycled pid is never mistaken for it. And its environment carries `TRADEWIND_PROCESS`,
so that one that was started a moment before its starter was killed, or a child that outlived it
(a containerd shim), is found by a scan of /proc. Signals go through a pidfd that is opened before
the identity is checked: the process cannot be swapped in between.
"""

import hashlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradewind_tools import packages
from tradewind_tools.errors import WorkFailedError

MARK = "TRADEWIND_PROCESS"
STOP_TIMEOUT_S = 15.0
"""Between SIGTERM and SIGKILL. Well-behaved servers need two or three seconds."""
READY_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run in the background, and where its pid file and log go."""

    name: str
    command: Sequence[str]
    state: Path
    environment: Mapping[str, str]
    """Added to HOME and the system's PATH. Nothing else is inherited: a program runs the same
    whoever started it, and is not replaced because a shell's PATH differs."""

    @property
    def mark(self) -> str:
        """Value of the environment mark: unique per state folder and program."""
        return f"{self.state}:{self.name}"

    @property
    def pid_file(self) -> Path:
        """Names the process that was started last."""
        return self.state / "run" / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """Output of the present process; a new start begins a new one."""
        return self.state / "logs" / f"{self.name}.log"

    @property
    def fingerprint(self) -> str:
        """Changes when the program would be started differently."""
        text = json.dumps([list(self.command), dict(self.environment)])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Names one process for all time."""

    pid: int
    start_ticks: str
    boot_id: str
    fingerprint: str


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> str | None:
    """Return when the process began, in clock ticks since boot; None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold anything, so count from its end. Zombies are dead to us.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def recorded(pid_file: Path) -> Identity | None:
    """Return the live process that a pid file names, or None."""
    try:
        identity = Identity(**json.loads(pid_file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    same = identity.boot_id == boot_id() and start_ticks(identity.pid) == identity.start_ticks
    return identity if same else None


def start(program: Program) -> bool:
    """Make the program run as described; True when it was (re)started, False when it ran already.

    It gets its own session and no standard input, so it outlives the shell and its Ctrl-C.
    """
    running = recorded(program.pid_file)
    if running and running.fingerprint == program.fingerprint:
        return False
    _stop_main(program)
    for folder in (program.pid_file.parent, program.log_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {"PATH": packages.SYSTEM_PATH, "HOME": os.environ.get("HOME", "/root")}
    with program.log_file.open("wb") as log:
        process = subprocess.Popen(
            list(program.command),
            env=environment | dict(program.environment) | {MARK: program.mark},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    _record(program, process.pid)
    # It is meant to outlive us: tell Popen not to warn that nobody waited for it.
    process.returncode = 0
    return True


def _stop_main(program: Program) -> None:
    """Stop an earlier process of the program, but not its children.

    Containers must survive a restart of containerd, which finds their shims again.
    """
    running = recorded(program.pid_file)
    wanted = os.path.realpath(program.command[0])
    for pid, name in marked(program.state):
        is_main = _executable(pid) == wanted or (running is not None and pid == running.pid)
        if name == program.name and is_main:
            _end([(pid, name)], state=program.state)


def _executable(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return None


def _record(program: Program, pid: int) -> None:
    identity = {
        "pid": pid,
        "start_ticks": start_ticks(pid) or "gone",
        "boot_id": boot_id(),
        "fingerprint": program.fingerprint,
    }
    partial = program.pid_file.with_suffix(".partial")
    partial.write_text(json.dumps(identity))
    partial.rename(program.pid_file)


def alive(program: Program) -> bool:
    """Tell whether the program that the pid file names runs, with the same command."""
    running = recorded(program.pid_file)
    return running is not None and running.fingerprint == program.fingerprint


def log_tail(log_file: Path, *, lines: int = 12) -> str:
    """Return the end of a log, for error messages."""
    try:
        return "\n".join(log_file.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "(no log)"


def check_alive(program: Program) -> None:
    """Raise WorkFailedError with the end of its log when the program has ended."""
    if recorded(program.pid_file) is None:
        tail = log_tail(program.log_file)
        raise WorkFailedError(f"{program.name} ended, see {program.log_file}:\n{tail}")


def wait_ready(
    programs: Sequence[Program], ready: Callable[[], bool], *, what: str, timeout_s: float
) -> None:
    """Wait until `ready`; raises WorkFailedError when a program ends before, or time is up."""
    deadline_s = time.monotonic() + timeout_s
    while not ready():
        for program in programs:
            check_alive(program)
        if time.monotonic() > deadline_s:
            log_file = programs[0].log_file
            raise WorkFailedError(
                f"{what} is not ready after {timeout_s:.0f} s, see {log_file.parent}:\n"
                f"{log_tail(log_file)}"
            )
        time.sleep(READY_POLL_S)


def marked(state: Path) -> Iterator[tuple[int, str]]:
    """Yield (pid, program name) of every process that carries a mark of this state folder."""
    prefix = f"{MARK}={state}:".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue  # Gone meanwhile.
        for variable in variables:
            if variable.startswith(prefix):
                yield int(folder.name), variable.removeprefix(prefix).decode()


def stop(state: Path, *, names: Sequence[str]) -> list[str]:
    """Stop the named programs and their marked children; return the names that ran.

    SIGTERM, then SIGKILL after `STOP_TIMEOUT_S`. On return none of them runs.
    """
    found = [(pid, name) for pid, name in marked(state) if name in names]
    ended = _end(found, state=state)
    for name in names:
        (state / "run" / f"{name}.pid").unlink(missing_ok=True)
    return ended


def _end(found: Sequence[tuple[int, str]], *, state: Path) -> list[str]:
    handles: dict[int, tuple[str, int]] = {}
    for pid, name in found:
        if (handle := _open(pid, state=state)) is not None:
            handles[pid] = (name, handle)
    try:
        _signal(handles, signal.SIGTERM)
        if left := _wait(handles, timeout_s=STOP_TIMEOUT_S):
            _signal(left, signal.SIGKILL)
            _wait(left, timeout_s=STOP_TIMEOUT_S)
    finally:
        for _, handle in handles.values():
            os.close(handle)
    return sorted({name for name, _ in handles.values()})


def _open(pid: int, *, state: Path) -> int | None:
    """Open a pidfd, then look again whether that process is ours."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        mine = f"{MARK}={state}:".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        mine = False
    if not mine:
        os.close(handle)
        return None
    return handle


def _signal(handles: Mapping[int, tuple[str, int]], number: signal.Signals) -> None:
    for _, handle in handles.values():
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            continue


def _wait(
    handles: Mapping[int, tuple[str, int]], *, timeout_s: float
) -> dict[int, tuple[str, int]]:
    """Wait until all ended; return those that did not. A pidfd is readable once it ended."""
    deadline_s = time.monotonic() + timeout_s
    left = dict(handles)
    while left and (wait_s := deadline_s - time.monotonic()) > 0:
        ready, _, _ = select.select([handle for _, handle in left.values()], [], [], wait_s)
        left = {pid: entry for pid, entry in left.items() if entry[1] not in ready}
    return left
