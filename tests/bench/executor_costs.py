"""What an executor costs its scheduler: time of the thread, calls per task, memory per live task.

This executor and Airflow's KubernetesExecutor, in turn, each in a process of its own against a
real kube-apiserver and etcd on loopback. A proxy delays every call of theirs; another process
stands in for kubelets and workers. Calls are counted in the API server's audit log. Prints a
table, JSON with --json, and with --plot a picture of the first figure.
"""

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from costs_report import plot, show
from kube_apiserver import audited
from rich.console import Console
from rich.progress import track

from tradewind_tools import ports

HERE = Path(__file__).parent
KUBERNETES_EXECUTOR = (
    "airflow.providers.cncf.kubernetes.executors.kubernetes_executor.KubernetesExecutor"
)
SETTLED_S = 60
TEMPLATE = """
apiVersion: v1
kind: Pod
metadata: {name: worker}
spec:
  automountServiceAccountToken: false
  serviceAccountName: default
  containers: [{name: base, image: "worker:1"}]
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An executor with settings, as it is compared."""

    path: str
    section: str
    options: dict[str, str]
    most_tasks: int | None = None
    """Where more take minutes; its figures are per task."""


SUBJECTS = {
    "tradewind": Subject(
        path="tradewind.executor.TradewindExecutor",
        section="TRADEWIND",
        # A figure of the executor, not of how many starts it allows the nodes at once.
        options={
            "MAX_STARTING_PODS": "100000",
            "MAX_PENDING_PODS": "100000",
            "DELIVERY": "args",
        },
    ),
    "upstream": Subject(
        path=KUBERNETES_EXECUTOR, section="KUBERNETES_EXECUTOR", options={}, most_tasks=40
    ),
    "upstream, async, 16 at once": Subject(
        path=KUBERNETES_EXECUTOR,
        section="KUBERNETES_EXECUTOR",
        options={"ASYNC_POD_CREATION": "True", "WORKER_PODS_CREATION_BATCH_SIZE": "16"},
        most_tasks=80,
    ),
}


class Bench:
    """A running API server, a database, and what is measured on them."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        self._number = 0
        self.database = folder / "airflow.db"
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }

    def create_database(self):
        # Write-ahead: that another process writes rows must not hold up who reads them.
        script = (
            "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=WAL');"
            "from airflow.utils import db; db.initdb()"
        )
        command = [sys.executable, "-c", script, str(self.database)]
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    def run(self, subject, *, latency_ms, count):
        """Run `count` tasks, or as many as the subject is worth; return the figures."""
        count = min(count, subject.most_tasks or count)
        namespace, port = self._namespace(), self.server.port
        with contextlib.ExitStack() as stack:
            if latency_ms:
                (port,) = ports.free(1)
                arguments = (port, self.server.port, latency_ms)
                stack.enter_context(background("delay_proxy.py", *arguments))
            stack.enter_context(self._node(namespace))
            with self._subject("run", subject, namespace, port, count) as answer:
                figures = answer()
                spent = self._settled(namespace, count)
        calls = {verb: spent[verb] / count for verb in ("create", "delete", "get", "patch")}
        return {"latency_ms": latency_ms, **figures, "calls_per_task": calls}

    def hold(self, subject, *, count):
        """Return what live tasks take."""
        namespace = self._namespace()
        with (
            self._node(namespace, "hold"),
            self._subject("hold", subject, namespace, self.server.port, count) as answer,
        ):
            return answer()

    def _node(self, namespace, *more):
        node = (self.server.server, self.server.node_token, self._certificate, namespace)
        return background("play_node.py", *node, self.database, *more)

    def construct(self, subject):
        """Return what constructing a hundred executors opens."""
        with self._subject("construct", subject, "default", self.server.port, 0) as answer:
            return answer()

    @contextlib.contextmanager
    def _subject(self, what, subject, namespace, port, count):
        """Start the process of the executor; yields what waits for its answer."""
        file = self.folder / f"answer-{self._number}-{what}.json"
        self._number += 1
        log = file.with_suffix(".log")
        script = [sys.executable, str(HERE / "executor_subject.py"), what, subject.path, str(file)]
        with (
            log.open("wb") as output,
            subprocess.Popen(
                [*script, f"--count={count}"],
                env=self._environment | self._settings(subject, namespace, port),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            ) as process,
        ):

            def answer():
                while not file.exists():
                    if process.poll() is not None and not file.exists():
                        sys.exit(f"{subject.path} came to nothing:\n{log.read_text()[-4000:]}")
                    time.sleep(0.2)
                return json.loads(file.read_text())

            try:
                yield answer
            finally:
                process.stdin.close()
                process.wait(timeout=60)

    def _settings(self, subject, namespace, port):
        """Point the executor at the API server behind `port`."""
        kubeconfig, template = self.folder / f"kubeconfig-{port}", self.folder / "pod.yaml"
        template.write_text(TEMPLATE)
        authority = base64.b64encode(self._certificate.read_bytes()).decode()
        address = f"https://127.0.0.1:{port}"
        cluster = {"server": address, "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self.server.token}}],
        }
        kubeconfig.write_text(json.dumps(document))
        values = {
            "NAMESPACE": namespace,
            "POD_TEMPLATE_FILE": str(template),
            "IN_CLUSTER": "False",
            "CONFIG_FILE": str(kubeconfig),
            **subject.options,
        }
        named = {f"AIRFLOW__{subject.section}__{name}": value for name, value in values.items()}
        return named | {"AIRFLOW__CORE__EXECUTOR": subject.path}

    @property
    def _certificate(self):
        return self.server.folder / "certs" / "apiserver.crt"

    def _namespace(self):
        """Create a namespace of its own for the next figure, so that calls are counted apart."""
        self._number += 1
        name = f"bench-{self._number}"
        self.server.create_namespace(name)
        return name

    def _settled(self, namespace, count):
        """Return the calls in a namespace once every pod was deleted."""
        deadline = time.monotonic() + SETTLED_S
        while (spent := self._calls(namespace))["delete"] < count:
            assert time.monotonic() < deadline, spent
            time.sleep(0.5)
        time.sleep(1)
        return self._calls(namespace)

    def _calls(self, namespace):
        """Return how often the executor used each verb on pods, their parts and events."""
        found = Counter()
        for line in (self.folder / "audit.log").read_text().splitlines():
            event = json.loads(line)
            of = event.get("objectRef", {})
            if of.get("namespace") == namespace and event["stage"] == "ResponseComplete":
                found[event["verb"]] += 1
        return found


@contextlib.contextmanager
def background(script, *arguments):
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().strip() == "ready", script
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def bench():
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        folder = Path(name)
        server = audited(folder, level="Metadata")
        try:
            server.start()
            made = Bench(folder, server)
            made.create_database()
            yield made
        finally:
            server.stop()


def measure(options):
    """Return every figure, one process after the other."""
    console = Console(stderr=True)
    latencies = [int(text) for text in options.latencies.split(",")]
    steps = [(latency_ms, name) for latency_ms in latencies for name in SUBJECTS]
    with bench() as on:
        constructed = {name: on.construct(SUBJECTS[name]) for name in ("tradewind", "upstream")}
        runs = [
            {"executor": name} | on.run(SUBJECTS[name], latency_ms=latency_ms, count=options.tasks)
            for latency_ms, name in track(steps, "tasks at API latencies", console=console)
        ]
        held = {"tradewind": on.hold(SUBJECTS["tradewind"], count=options.live)}
    return {"runs": runs, "held": held, "constructed": constructed}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--latencies", default="0,50,500", help="milliseconds, by commas")
    parser.add_argument("--live", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="SVG file to write")
    options = parser.parse_args()
    figures = measure(options)
    if options.plot:
        options.plot.write_text(plot(figures["runs"]))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        show(figures)


if __name__ == "__main__":
    main()
