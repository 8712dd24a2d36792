"""What the executors are measured on: a real API server, a database, and processes around them."""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from call_log import CallLog
from kube_apiserver import audited

from tradewind.testing.trust import trusting
from tradewind_tools import ports

HERE = Path(__file__).parent
LOOKS_EVERY_S = 0.2
TEMPLATE = """
apiVersion: v1
kind: Pod
metadata: {name: worker}
spec:
  automountServiceAccountToken: false
  serviceAccountName: default
  containers: [{name: base, image: "worker:1"}]
"""
# Write-ahead: that another process writes rows must not hold up who reads them.
CREATE = (
    "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=WAL');"
    "from airflow.utils import db; db.initdb()"
)


class SubjectProcess:
    """A process of `executor_subject.py`, which goes on until its `with` block ends."""

    def __init__(self, process, file, log):
        self._process = process
        self._file = file
        self._log = log

    def look(self):
        """Raise RuntimeError when the process has ended without an answer."""
        if self._process.poll() is not None and not self._file.exists():
            raise RuntimeError(f"an executor came to nothing:\n{self._log.read_text()[-4000:]}")

    def answer(self):
        """Wait for what it has to say and return it."""
        while not self._file.exists():
            self.look()
            time.sleep(LOOKS_EVERY_S)
        return json.loads(self._file.read_text())


class Rig:
    """A running API server with its database; each measurement has a namespace of its own."""

    def __init__(self, folder, server):
        self.folder = folder
        self.server = server
        self.calls = CallLog(folder / "audit.log")
        self.certificate = server.folder / "certs" / "apiserver.crt"
        self.database = folder / "airflow.db"
        self._number = 0
        self._template = folder / "pod.yaml"
        self._template.write_text(TEMPLATE)
        self._environment = os.environ | {
            "AIRFLOW_HOME": str(folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.database}",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        }
        command = [sys.executable, "-c", CREATE, str(self.database)]
        subprocess.run(command, env=self._environment, check=True, capture_output=True)

    @contextlib.contextmanager
    def namespace(self):
        """Yield a new namespace; in the end its pods are gone, as if nobody had been there."""
        self._number += 1
        name = f"bench-{self._number}"
        self.server.create_namespace(name)
        try:
            yield name
        finally:
            options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
            self.ask("DELETE", f"/api/v1/namespaces/{name}/pods", body=options)

    @contextlib.contextmanager
    def latency(self, latency_ms):
        """Yield a port of the API server at which calls take so much longer."""
        if not latency_ms:
            yield self.server.port
            return
        (port,) = ports.free(1)
        with background("delay_proxy.py", port, self.server.port, latency_ms):
            yield port

    def node(self, namespace, *more):
        """Play kubelets and workers there; a context manager."""
        node = (self.server.server, self.server.node_token, self.certificate, namespace)
        return background("play_node.py", *node, self.database, *more)

    @contextlib.contextmanager
    def subject(self, what, subject, namespace, *, port=None, **options):
        """Start an executor's process; yields a `SubjectProcess`."""
        self._number += 1
        file = self.folder / f"answer-{self._number}.json"
        log = file.with_suffix(".log")
        command = [sys.executable, str(HERE / "executor_subject.py"), what, subject.path, str(file)]
        command += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        settings = subject.settings(
            NAMESPACE=namespace,
            POD_TEMPLATE_FILE=str(self._template),
            IN_CLUSTER="False",
            CONFIG_FILE=str(self._kubeconfig(port or self.server.port)),
        )
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command,
                env=self._environment | settings,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            ) as process,
        ):
            try:
                yield SubjectProcess(process, file, log)
            finally:
                process.stdin.close()
                process.wait(timeout=120)

    def create(self, manifests, *, port, at_once):
        """Create pods by a client that knows nothing of Airflow."""
        file = self.folder / "manifests.json"
        file.write_text(json.dumps(manifests))
        address = f"https://127.0.0.1:{port}"
        words = (address, self.server.token, self.certificate, file, at_once)
        command = [sys.executable, str(HERE / "bare_creates.py"), *map(str, words)]
        subprocess.run(command, check=True)

    def ask(self, method, path, *, body=None):
        """Return the answer to a question that no executor asks, and the audit log leaves out."""
        request = urllib.request.Request(
            self.server.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.server.node_token}",
                "Content-Type": "application/json",
            },
        )
        context = trusting(self.certificate)
        with urllib.request.urlopen(request, context=context, timeout=300) as answer:
            return json.load(answer)

    @contextlib.contextmanager
    def recorded(self, namespace, file):
        """Write the events of the namespace's pods to a file, line by line, as they come."""
        version = self.ask("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")
        version = version["metadata"]["resourceVersion"]
        words = (self.server.server, self.server.node_token, self.certificate, namespace, version)
        with background("record_watch.py", *words, file):
            yield

    def _kubeconfig(self, port):
        """Write how to reach the API server behind `port`; return the file."""
        file = self.folder / f"kubeconfig-{port}"
        authority = base64.b64encode(self.certificate.read_bytes()).decode()
        cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self.server.token}}],
        }
        file.write_text(json.dumps(document))
        return file


@contextlib.contextmanager
def background(script, *arguments):
    """Run a script beside; it says `ready` once it is."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{script} did not come up")
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def rig():
    """Start all of it in a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="tradewind-bench-") as name:
        folder = Path(name)
        server = audited(folder, level="Metadata")
        try:
            server.start()
            yield Rig(folder, server)
        finally:
            server.stop()
