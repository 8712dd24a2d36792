"""Airflow as processes of this machine, in an environment of its own, outside the cluster."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import httpx

from tradewind_tools import airflow_api, command, forward, paths, ports

INSTALL_TIMEOUT_S = 600
COMMAND_TIMEOUT_S = 180
START_TIMEOUT_S = 180
END_TIMEOUT_S = 30


def install(folder):
    """Make an environment of plain Airflow and the wheel; return its folder of programs.

    What Airflow itself brings has the versions of the lock file; of a Kubernetes provider there is
    none.
    """
    environment = folder / "venv"
    command.run(
        ["uv", "build", "--wheel", "--out-dir", str(folder), str(paths.CHECKOUT / "executor")],
        timeout_s=INSTALL_TIMEOUT_S,
    )
    (wheel,) = folder.glob("airflow_tradewind-*.whl")
    command.run(["uv", "venv", "--python", "3.11", str(environment)])
    locked = ["--constraints", str(paths.CHECKOUT / "locks" / "dev.txt")]
    pip = ["uv", "pip", "install", "--python", str(environment)]
    command.run([*pip, *locked, "apache-airflow==3.3.2", str(wheel)], timeout_s=INSTALL_TIMEOUT_S)
    return environment / "bin"


class OutsideAirflow:
    """The components of one Airflow. Use it with `with`: at its end all processes are gone.

    `settings` are environment variables of all components, on top of Airflow's defaults.
    """

    def __init__(self, folder, *, programs, address, settings):
        self.home = folder / "airflow"
        self.home.mkdir()
        self._programs = programs
        self._address = address
        (self.port,) = ports.free(1, address=address)
        self.url = f"http://{address}:{self.port}"
        self._settings = {"AIRFLOW_HOME": str(self.home), **settings}
        self._running = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for component in list(self._running):
            self.stop(component)

    def environment(self, more=None):
        inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = f"{self._programs}:/usr/local/bin:/usr/bin:/bin"
        return {**inherited, "PATH": path, **self._settings, **(more or {})}

    def run(self, *words, more=None):
        """Run `airflow WORDS`; return the finished process."""
        return subprocess.run(
            [self._programs / "airflow", *words],
            env=self.environment(more),
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
        )

    def start(self, component, *words, more=None):
        """Start a component in a process group of its own; return its pid."""
        with self.log_of(component).open("ab") as log:
            process = subprocess.Popen(
                [*forward.dying_with_us(), self._programs / "airflow", component, *words],
                env=self.environment(more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running[component] = process
        return process.pid

    def stop(self, component):
        """End a component and every process that it began, by its pid."""
        process = self._running.pop(component)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(END_TIMEOUT_S)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue

    def log_of(self, component):
        return self.home / f"{component}.log"

    def start_all(self):
        """Start API server, DAG processor and scheduler; return when the API answers."""
        self.start("dag-processor")
        self.start("scheduler")
        self.start_api_server()

    def start_api_server(self, *, more=None):
        """Start it; return when the API answers."""
        arguments = ("--host", self._address, "--port", str(self.port), "--workers", "1")
        self.start("api-server", *arguments, more=more)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert time.monotonic() < deadline, self.log_of("api-server").read_text()[-2000:]
            time.sleep(1)

    def _answers(self):
        try:
            return httpx.get(f"{self.url}/api/v2/monitor/health", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def user(self):
        """Return the user that Airflow's simple auth manager made at its start."""
        file = self.home / "simple_auth_manager_passwords.json.generated"
        return airflow_api.Credentials(
            username="admin", password=json.loads(Path(file).read_text())["admin"]
        )
