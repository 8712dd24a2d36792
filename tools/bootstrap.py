"""Make the environments that everything else needs. Standard library only.

`tools` makes the folder with uv, task and go in the cache; `project` makes .venv in the checkout
from locks/dev.txt. Both are made under a lock and marked complete last, so that concurrent calls
wait for one, and one that was killed is made again. Both print nothing when nothing is to do.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PINS = CHECKOUT / "tools" / "requirements-bootstrap.txt"
LOCK = CHECKOUT / "locks" / "dev.txt"
PROJECTS = ("executor", "tools")
"""Installed editable, so that only a change of their pyproject.toml needs a new install."""
MARKER = ".complete"
OLDEST_PYTHON = (3, 11)


class BootstrapError(Exception):
    """Stops with one sentence."""


def cache_dir() -> Path:
    """Return the same cache folder as tradewind_tools.paths."""
    if chosen := os.environ.get("TRADEWIND_CACHE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tradewind"


def digest(*files: Path) -> str:
    """Return a key of the files' content and of the interpreter that environments link to."""
    content = hashlib.sha256(f"{sys.version}{os.path.realpath(sys.executable)}".encode())
    for file in files:
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def is_complete(folder: Path, *, key: str) -> bool:
    """Tell whether an environment was finished for this key, and its interpreter still exists."""
    marker = folder / MARKER
    if not marker.is_file() or not (folder / "bin" / "python").exists():
        return False
    return marker.read_text() == key


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel frees when we die; say so while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another process that prepares the tools ({path})")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def tools() -> Path:
    """Return the folder of programs of the tool environment, made when it is not there."""
    key = digest(PINS)
    folder = cache_dir() / "tools" / key
    if not is_complete(folder, key=key):
        with exclusive(folder.with_name(f".{key}.lock")):
            if not is_complete(folder, key=key):
                _ensure_venv_module()
                _say("preparing uv, task and go (once, about a minute)")
                shutil.rmtree(folder, ignore_errors=True)
                _run(sys.executable, "-m", "venv", str(folder))
                pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
                _run(*pip, "--disable-pip-version-check", "--require-hashes", "-r", str(PINS))
                (folder / MARKER).write_text(key)
    return folder / "bin"


def project() -> None:
    """Make .venv hold exactly what is locked, plus our own packages, editable."""
    manifests = [CHECKOUT / name / "pyproject.toml" for name in PROJECTS]
    key = digest(LOCK, *manifests)
    folder = CHECKOUT / ".venv"
    if is_complete(folder, key=key):
        return
    with exclusive(CHECKOUT / ".venv.lock"):
        if is_complete(folder, key=key):
            return
        _say("installing the locked Python packages into .venv")
        (folder / MARKER).unlink(missing_ok=True)
        uv = str(tools() / "uv")
        python = str(folder / "bin" / "python")
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        pip = (uv, "pip")
        # Compiled now, or each of hundreds of test processes compiles Airflow where bytecode is not
        # to be written: ten seconds instead of three.
        sync = (*pip, "sync", "--quiet", "--compile-bytecode", "--python", python)
        _run(*sync, "--require-hashes", str(LOCK))
        ours = [argument for name in PROJECTS for argument in ("-e", str(CHECKOUT / name))]
        _run(*pip, "install", "--quiet", "--python", python, "--no-deps", *ours)
        (folder / MARKER).write_text(key)


def _ensure_venv_module() -> None:
    """Install Debian's separate venv package as root, or say how."""
    if _has_module("ensurepip") and _has_module("venv"):
        return
    package = f"python3.{sys.version_info.minor}-venv"
    command = ["apt-get", "install", "--no-install-recommends", "-y", package]
    if shutil.which("apt-get") is None:
        raise BootstrapError("this Python has no venv module: install the package that brings it")
    if os.geteuid() != 0:
        raise BootstrapError(f"this Python has no venv module: run `sudo {' '.join(command)}`")
    _say(f"installing the package {package}")
    _run("apt-get", "update", "-q")
    _run(*command)


def _has_module(name: str) -> bool:
    command = [sys.executable, "-c", f"import {name}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    """Run quietly; a failure raises with the end of what was printed."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-12:])
        raise BootstrapError(f"`{' '.join(command)}` failed:\n{tail}")


def _say(text: str) -> None:
    print(f"  … {text}", file=sys.stderr, flush=True)


def main(verb: str) -> int:
    """Run a verb; `tools` prints its folder for the wrapper."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        print(f"Python 3.11 or newer is needed, {sys.executable} is {found}", file=sys.stderr)
        return 2
    try:
        if verb == "tools":
            print(tools())
        else:
            project()
    except BootstrapError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: start it again, it goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
