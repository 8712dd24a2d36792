"""The Docker daemon that builds images: the user's own when it answers, else one of ours.

Ours needs neither a bridge nor firewall rules, since builds use the host's network, so it starts
without systemd on a bare machine. Its cache survives `cluster down`.
"""

import os
import time
from dataclasses import dataclass

from tradewind_tools import command, console, locks, packages, paths, processes
from tradewind_tools.cluster.layout import Layout
from tradewind_tools.cluster.teardown import BUILDER
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.processes import Program

READY_TIMEOUT_S = 60.0
DEBIAN_DOCKER = "/usr/bin/docker"
"""Named by its path: another client first on PATH may lack BuildKit."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A daemon that answers."""

    docker: list[str]
    """Docker's command line, bound to the daemon."""


def ensure() -> Builder:
    """Return a builder, starting our own daemon where none answers.

    Raises:
        ToolError: docker is missing and may not be installed, or we may not start a daemon.

    """
    packages.ensure(packages.BUILDER)
    own = os.environ.get("DOCKER_HOST", "")
    if command.succeeds([DEBIAN_DOCKER, "version"]):
        return Builder([DEBIAN_DOCKER])
    if own:
        raise ToolError(f"no Docker daemon answers at DOCKER_HOST={own}: start it, or unset it")
    if os.geteuid() != 0:
        raise ToolError("no Docker daemon answers and starting one needs root: start Docker")
    layout = Layout(paths.state_dir())
    docker = [DEBIAN_DOCKER, "--host", f"unix://{layout.local / 'docker.sock'}"]
    with locks.exclusive(layout.state / "builder.lock", waiting_for="the build daemon"):
        program = _daemon(layout)
        if processes.start(program):
            with console.step("starting the build daemon"):
                _wait(program, docker)
    return Builder(docker)


def _daemon(layout: Layout) -> Program:
    return Program(
        name=BUILDER,
        command=[
            "/usr/sbin/dockerd",
            "--bridge=none",
            "--iptables=false",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--data-root={layout.builder}",
            f"--exec-root={layout.local / 'docker'}",
            f"--pidfile={layout.local / 'docker.pid'}",
            f"--host=unix://{layout.local / 'docker.sock'}",
        ],
        state=layout.state,
        environment={},
    )


def _wait(program: Program, docker: list[str]) -> None:
    deadline_s = time.monotonic() + READY_TIMEOUT_S
    while not command.succeeds([*docker, "version"]):
        processes.check_alive(program)
        if time.monotonic() > deadline_s:
            tail = processes.log_tail(program.log_file)
            raise WorkFailedError(f"dockerd is not ready after {READY_TIMEOUT_S:.0f} s:\n{tail}")
        time.sleep(0.2)
