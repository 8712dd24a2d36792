"""The programs a fault script may kill or stop, each with a handle of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import serving_airflow
from checker import KEPT_S

from tradewind_tools import ports
from tradewind_tools.packages import DATABASE, find

READY_WITHIN_S = 60
POOL_SLOTS = 2000
BOARDED_WITHIN_S = 30
AT_ONCE = {
    "AIRFLOW__CORE__PARALLELISM": str(POOL_SLOTS),
    "AIRFLOW__CORE__DEFAULT_POOL_TASK_SLOT_COUNT": str(POOL_SLOTS),
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": str(POOL_SLOTS),
    "AIRFLOW__CORE__MAX_MAP_LENGTH": str(POOL_SLOTS),
    "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "64",
}
FAST = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "6",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
}
"""Timers of Airflow's scheduler, shortened so that a script lasts half a minute."""
EXECUTOR = {
    "RECONCILE_INTERVAL": "5",
    "REQUEST_TIMEOUT": "4",
    "WATCH_SILENCE": "61",
    "MAX_STARTING_PODS": "100000",
    "MAX_PENDING_PODS": "100000",
    "BOARDING_TIMEOUT": str(BOARDED_WITHIN_S),
    "ADOPTION_WAIT": "2",
    "KEPT_POD_TTL": str(KEPT_S),
}


class Program:
    """One process that scripts may kill, stop and start again; `with` ends it."""

    def __init__(self, name, command, *, log, **how):
        self.name = name
        self._command = command
        self._log = log
        self._how = how
        self._process = None
        self._is_stopped = False

    @property
    def pid(self):
        return self._process.pid

    def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._how
            )
        self._is_stopped = False

    def is_alive(self):
        return self._process is not None and self._process.poll() is None

    def ended_by_itself(self):
        """Return the exit code of a process that nobody killed, or None."""
        return None if self._process is None else self._process.poll()

    def stop(self):
        """SIGSTOP: it holds its connections and says nothing."""
        self._process.send_signal(signal.SIGSTOP)
        self._is_stopped = True

    def go_on(self):
        """SIGCONT."""
        if self._is_stopped and self.is_alive():
            self._process.send_signal(signal.SIGCONT)
        self._is_stopped = False

    def kill(self):
        """SIGKILL, of the process that we started and of no other."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(timeout=30)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()


class Postgres(Program):
    """PostgreSQL on loopback, in a folder of its own, durable as in production."""

    USER = "airflow"

    def __init__(self, folder):
        self._programs = self.found()
        (self.port,) = ports.free(1)
        self._folder = Path(folder) / "postgres"
        self._as = {"user": "postgres"} if os.geteuid() == 0 else {}
        command = [str(self._programs / "postgres"), "-D", str(self._folder)]
        command += [f"-p{self.port}", "-h127.0.0.1", "-k", str(self._folder)]
        command += ["-c", "max_connections=200"]
        super().__init__("postgres", command, log=Path(folder) / "postgres.log", **self._as)

    @staticmethod
    def found():
        """Return the folder of PostgreSQL's programs, or None where it is not installed."""
        return next(
            (found.resolve().parent for file in DATABASE[0].files if (found := find(file))), None
        )

    @property
    def url(self):
        return f"postgresql+psycopg2://{self.USER}@127.0.0.1:{self.port}/postgres"

    def create(self):
        """Make the empty cluster of databases."""
        self._folder.mkdir()
        if self._as:
            shutil.chown(self._folder, "postgres")
            # The server does not run as root; its folder is below ours.
            for above in self._folder.parents:
                if above == Path("/tmp"):
                    break
                above.chmod(above.stat().st_mode | 0o011)
        command = [str(self._programs / "initdb"), "-D", str(self._folder), "-U", self.USER]
        subprocess.run(
            [*command, "-A", "trust", "-E", "UTF8"], check=True, capture_output=True, **self._as
        )

    def start(self):
        super().start()
        deadline = time.monotonic() + READY_WITHIN_S
        ready = [str(self._programs / "pg_isready"), "-q", "-h127.0.0.1", f"-p{self.port}"]
        while subprocess.run(ready, check=False).returncode:
            if not self.is_alive() or time.monotonic() > deadline:
                sys.exit(f"PostgreSQL does not answer, see {self._log}")
            time.sleep(0.1)

    def stop(self):
        """SIGSTOP, also of the processes that serve its clients."""
        super().stop()
        self._signal_children(signal.SIGSTOP)

    def go_on(self):
        self._signal_children(signal.SIGCONT)
        super().go_on()

    def kill(self):
        """SIGKILL, also of the children: one that lives on keeps the shared memory."""
        if not self.is_alive():
            return
        # Stopped first, so that it starts no other while its children are counted.
        self._process.send_signal(signal.SIGSTOP)
        children = self._children()
        super().kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def _children(self):
        return [
            int(child)
            for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        ]

    def _signal_children(self, number):
        for child in self._children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


class Airflow(serving_airflow.Airflow):
    """A real `airflow api-server` with our plugin, on the database of the faults."""

    def __init__(self, folder, server, *, namespace, database, **options):
        super().__init__(folder, server, namespace=namespace, **options)
        self._database = database

    def environment(self):
        return (
            super().environment()
            | AT_ONCE
            | {
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database,
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "PYTHONUNBUFFERED": "1",
            }
        )


class Part(Program):
    """Either process of an API server, which goes on owning it."""

    def __init__(self, server, number):
        process = server._processes[number]
        name = Path(process.args[0]).name
        super().__init__(name, process.args, log=server.folder / f"{name}.log")
        self._process = process
        self._server = server
        self._number = number

    def start(self):
        super().start()
        self._server._processes[self._number] = self._process


def parts_of(server):
    """Return (etcd, kube-apiserver) of a running API server."""
    return Part(server, 0), Part(server, 1)


def scheduler(airflow, *, name, kubeconfig, template, statsd_port, log):
    """Return the program `airflow scheduler` whose executor has that kubeconfig."""
    options = EXECUTOR | {"CONFIG_FILE": str(kubeconfig), "POD_TEMPLATE_FILE": str(template)}
    named = {f"AIRFLOW__TRADEWIND__{option}": value for option, value in options.items()}
    told = {
        "STATSD_ON": "True",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(statsd_port),
        "STATSD_PREFIX": name,
    }
    named |= {f"AIRFLOW__METRICS__{option}": value for option, value in told.items()}
    environment = airflow.environment() | FAST | named
    command = [sys.executable, "-m", "airflow", "scheduler"]
    return Program(name, command, log=log, env=environment, cwd=airflow.folder)
