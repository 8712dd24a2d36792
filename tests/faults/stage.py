"""The stage on which scripts are played: programs, a proxy for each scheduler, one namespace."""

import asyncio
import base64
import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from gather import Gauges, Logs, connected
from issued_tokens import Issuer
from kube_apiserver import audited, credentials
from kubelet import certificate
from proxy import FaultProxy, client_tls
from servers import Airflow, Postgres, parts_of, scheduler

from tradewind.client.http import HttpCluster
from tradewind_tools import ports

NAMESPACE = "faults"
SCHEDULERS = ("scheduler", "other-scheduler")
TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  serviceAccountName: worker
  containers: [{name: base, image: "worker:1"}]
"""


class Journal:
    """Records of one script. Any thread."""

    def __init__(self):
        self.records = []
        self._lock = threading.Lock()

    def tell(self, source, kind, **fields):
        with self._lock:
            self.records.append({"at_s": time.time(), "source": source, "kind": kind, **fields})


class Stage:
    """Opened once, for one script after the other. Its loop's thread only."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.journal = Journal()
        """Of the script that is played now."""
        self.programs = {}
        """By the name that scripts have for them."""
        self.proxies = {}
        """By the scheduler whose calls they take."""
        self.logs = Logs(self.folder, "*scheduler.log")

    @contextlib.asynccontextmanager
    async def open(self):
        """Start everything but the schedulers; end all of it, schedulers too."""
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.to_thread(self._start_servers, stack)
            signed = credentials(self._server, token=self._server.node_token)
            self.cluster = HttpCluster(signed, request_timeout_s=10, silence_s=70)
            stack.push_async_callback(self.cluster.close)
            await Issuer(self.cluster, NAMESPACE).account("worker")
            self.gauges = stack.enter_context(Gauges(tell=self.tell))
            self.make_rows = stack.enter_context(_rows(self.airflow))
            template = self.folder / "pod.yaml"
            template.write_text(TEMPLATE)
            subjects = {}
            for name in SCHEDULERS:
                (port,) = ports.free(1)
                self.proxies[name] = self._proxy(port, subjects)
                await stack.enter_async_context(self.proxies[name].listening())
                self.programs[name] = self._scheduler(name, port, template)
                stack.callback(self.programs[name].kill)
            yield self

    @property
    def audit_log(self):
        return self.folder / "audit.log"

    def tell(self, source, kind, **fields):
        """Write a record down. Any thread."""
        self.journal.tell(source, kind, **fields)

    def database(self):
        """Return a connection to Airflow's database. Any thread."""
        return connected(port=self._postgres.port, user=Postgres.USER)

    def _start_servers(self, stack):
        self._postgres = self.programs["postgres"] = Postgres(self.folder)
        self._postgres.create()
        stack.enter_context(self._postgres)
        self._server = audited(self.folder, level="Request")
        stack.callback(self._server.stop)
        self._server.start()
        self.programs["etcd"], self.programs["kube-apiserver"] = parts_of(self._server)
        self._server.create_namespace(NAMESPACE)
        self.airflow = Airflow(
            self.folder, self._server, namespace=NAMESPACE, database=self._postgres.url
        )
        stack.enter_context(self.airflow)

    def _proxy(self, port, subjects):
        own_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own_tls.load_cert_chain(self._certificate())
        return FaultProxy(
            server=self._server.server,
            server_tls=client_tls(),
            own_tls=own_tls,
            port=port,
            log=lambda kind, fields: self.tell("proxy", kind, **fields),
            subjects=subjects,
        )

    def _scheduler(self, name, port, template):
        return scheduler(
            self.airflow,
            name=name,
            kubeconfig=self._kubeconfig(name, port),
            template=template,
            statsd_port=self.gauges.port,
            log=self.folder / f"{name}.log",
        )

    def _certificate(self):
        path = self.folder / "kubelet.pem"
        return path if path.exists() else certificate(self.folder)

    def _kubeconfig(self, name, port):
        """Write the way through the proxy; return its path."""
        pem = self._certificate().read_bytes()
        authority = base64.b64encode(pem[pem.index(b"-----BEGIN CERTIFICATE") :]).decode()
        address = f"https://127.0.0.1:{port}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": address, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "u", "user": {"token": self._server.token}}],
        }
        path = self.folder / f"kubeconfig-{name}"
        path.write_text(json.dumps(document))
        return path


@contextlib.contextmanager
def _rows(airflow):
    """Yield a function that makes the DAG of a script in the database of that Airflow."""
    command = [sys.executable, str(Path(__file__).with_name("rows.py"))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    file = airflow.folder / "rows.log"
    with (
        file.open("ab") as log,
        subprocess.Popen(command, env=airflow.environment(), stderr=log, **pipes) as process,
    ):

        def make(dag_id, script, *, retries):
            asked = [dag_id, script.tasks, retries, script.most_at_once]
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith('{"made"'):
                    return
            sys.exit(f"the DAG could not be made: see {file}")

        try:
            yield make
        finally:
            process.kill()
