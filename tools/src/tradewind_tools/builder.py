"""The Docker daemon that builds images: the user's own when it answers, else one of ours.

Ours needs neither a bridge nor firewall rules, since builds use the host's network, so it starts
without systemd on a bare machine. Its cache survives `cluster down`.
"""

import os
from dataclasses import dataclass

from tradewind_tools import command, console, locks, packages, paths, processes
from tradewind_tools.cluster.layout import Layout
from tradewind_tools.cluster.teardown import BUILDER
from tradewind_tools.errors import ToolError
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
        if processes.alive(program) and command.succeeds([*docker, "version"]):
            return Builder(docker)
        with console.step("starting the build daemon"):
            # One that an interrupted call began is waited for too.
            processes.start(program)
            processes.wait_ready(
                [program],
                lambda: command.succeeds([*docker, "version"]),
                what="dockerd",
                timeout_s=READY_TIMEOUT_S,
            )
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
