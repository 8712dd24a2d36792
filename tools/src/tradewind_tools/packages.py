"""Debian packages that verbs need: found by a file they bring, installed when we may.

A package is looked for by what it installs, not in dpkg, so that other distributions work when
the same programs are there.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradewind_tools import console
from tradewind_tools.errors import ToolError, WorkFailedError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package and the files by which its presence shows; one of them is enough."""

    name: str
    files: tuple[str, ...]


CLUSTER = (
    Package("containernetworking-plugins", tuple(f"{folder}/bridge" for folder in CNI_FOLDERS)),
    Package("runc", ("runc",)),
    Package("nftables", ("nft",)),
    Package("iproute2", ("ip",)),
    Package("catatonit", ("catatonit",)),
    Package("mount", ("umount",)),
)
"""What the local cluster runs besides the programs that we build."""

BUILDER = (
    Package("docker.io", ("dockerd",)),
    Package("debootstrap", ("debootstrap",)),
)
"""What an own build daemon and a base image made from scratch need."""


DATABASE = (
    Package(
        "postgresql",
        ("postgres", *(f"/usr/lib/postgresql/{version}/bin/postgres" for version in range(13, 20))),
    ),
)
"""What the fault suite runs Airflow's database with; Debian puts it on no PATH."""


def find(file: str) -> Path | None:
    """Return the path of a program or absolute file, searching system folders only."""
    if file.startswith("/"):
        return Path(file) if Path(file).exists() else None
    found = shutil.which(file, path=SYSTEM_PATH)
    return Path(found) if found else None


def missing(packages: Iterable[Package]) -> list[str]:
    """Return the names of packages of which no file is present, in the given order."""
    return [package.name for package in packages if not any(map(find, package.files))]


def is_debian(os_release: Path = Path("/etc/os-release")) -> bool:
    """Tell whether apt-get is the way to install packages here."""
    if not os_release.exists() or shutil.which("apt-get") is None:
        return False
    text = os_release.read_text().replace('"', "")
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    family = f"{lines.get('ID', '')} {lines.get('ID_LIKE', '')}".split()
    return bool({"debian", "ubuntu"} & set(family))


def ensure(packages: Iterable[Package]) -> None:
    """Make all packages present: install them as root on Debian, else say how and stop."""
    names = missing(packages)
    if not names:
        return
    command = f"apt-get install --no-install-recommends {' '.join(names)}"
    if not is_debian():
        raise ToolError(f"missing programs of the packages {', '.join(names)}: install them")
    if os.geteuid() != 0:
        raise ToolError(f"missing packages {', '.join(names)}: run `sudo {command}`")
    with console.step(f"installing packages {' '.join(names)}"):
        _apt_get("update", "-q")
        _apt_get("install", "-q", "-y", "--no-install-recommends", *names)
    if left := missing(packages):
        raise WorkFailedError(f"still missing after `{command}`: {', '.join(left)}")


def _apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command: Sequence[str] = ["apt-get", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise WorkFailedError(f"`{' '.join(command)}` failed:\n{tail}")
