"""The stage on which scripts are played: every program, the proxy, the node, one namespace."""

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

from gather import Gauges, Sampler, audited, secrets_in
from issued_tokens import Issuer
from kube_apiserver import _free_port, credentials
from kubelet import certificate
from node import Node
from proxy import FaultProxy, client_tls
from servers import READY_WITHIN_S, Airflow, Postgres, audited_api_server, parts_of, scheduler

from tradewind.client.errors import ClusterError
from tradewind.client.http import HttpCluster
from tradewind.clock import SystemClock
from tradewind.watch.reflector import Reflector

NAMESPACE = "faults"
DATABASE_USER = Postgres.USER
RETRIES = 2
SETTLES_WITHIN_S = 90
"""After the last fault; beyond it the history is checked as it is."""
QUIET_S = 3
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
    """Opened once; plays one script after the other. Its loop's thread only."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.journal = Journal()
        self.programs = {}
        """By the name that scripts have for them."""

    @contextlib.asynccontextmanager
    async def open(self):
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.to_thread(self._start_servers, stack)
            self._cluster = self._connected()
            stack.push_async_callback(self._cluster.close)
            issuer = Issuer(self._cluster, NAMESPACE)
            await issuer.account("worker")
            self._gauges = stack.enter_context(Gauges(tell=self._tell))
            self._rows = stack.enter_context(_rows(self._airflow))
            port = _free_port()
            self._proxy = FaultProxy(
                server=self._server.server,
                server_tls=client_tls(),
                own_tls=self._own_tls(),
                port=port,
                log=lambda kind, fields: self._tell("proxy", kind, **fields),
            )
            await stack.enter_async_context(self._proxy.listening())
            self._make_schedulers(port)
            stack.callback(lambda: [one.kill() for one in self.programs.values()])
            self.programs["scheduler"].start()
            yield self

    def _start_servers(self, stack):
        postgres = self.programs["postgres"] = Postgres(self.folder)
        postgres.create()
        stack.enter_context(postgres)
        self._server = audited_api_server(self.folder)
        stack.callback(self._server.stop)
        self._server.start()
        self.programs["etcd"], self.programs["kube-apiserver"] = parts_of(self._server)
        self._server.create_namespace(NAMESPACE)
        self._airflow = Airflow(
            self.folder, self._server, namespace=NAMESPACE, database=postgres.url
        )
        stack.enter_context(self._airflow)

    def _make_schedulers(self, port):
        template = self.folder / "pod.yaml"
        template.write_text(TEMPLATE)
        for name in ("scheduler", "other-scheduler"):
            self.programs[name] = scheduler(
                self._airflow,
                name=name,
                kubeconfig=self._kubeconfig(port),
                template=template,
                statsd_port=self._gauges.port,
                log=self.folder / f"{name}.log",
            )

    # -- a script

    async def play(self, script, *, on_progress):
        """Play it; return the records of its history, in no order."""
        self.journal = Journal()
        await self._heal(script)
        began_s = time.time()
        self._tell("run", "begin", script=script.to_json())
        self._proxy.play(script, began_s=began_s)
        dag_id = f"{script.name}-{int(began_s)}"
        sampler = Sampler(
            port=self.programs["postgres"].port, user=DATABASE_USER, dag_id=dag_id, tell=self._tell
        )
        node = Node(
            self._cluster,
            namespace=NAMESPACE,
            airflow_url=self._airflow.url,
            script=script,
            tell=self._tell,
        )
        with sampler:
            async with node.open(), self._watching(node):
                await asyncio.to_thread(self._rows, dag_id, script.tasks, RETRIES)
                blows = [
                    asyncio.create_task(self._strike(blow, began_s)) for blow in script.disturbances
                ]
                guard = asyncio.create_task(self._guard())
                try:
                    await self._until_settled(script, sampler, began_s, on_progress)
                finally:
                    guard.cancel()
                await asyncio.gather(*blows)
                await self._look_at_pods()
        self._proxy.play(None, began_s=began_s)
        self.programs["other-scheduler"].kill()
        self._tell("run", "over")
        records = self.journal.records
        records += audited(self.folder / "audit.log", from_s=began_s)
        return records + secrets_in(sorted(self.folder.glob("*scheduler.log")))

    async def _heal(self, script):
        """Have every program there that the script needs."""
        wanted = ["scheduler"] + ["other-scheduler"] * (script.schedulers == 2)
        for name in wanted:
            if not self.programs[name].is_alive():
                self.programs[name].start()
        self._gauges.running.clear()
        async with asyncio.timeout(READY_WITHIN_S):
            while set(wanted) - self._gauges.running.keys():
                for name in wanted:
                    if not self.programs[name].is_alive():
                        log = (self.folder / f"{name}.log").read_text(errors="replace")
                        sys.exit(f"the {name} does not come up:\n{log[-3000:]}")
                await asyncio.sleep(0.2)

    async def _strike(self, blow, began_s):
        """Kill or stop a program, and bring it back."""
        await asyncio.sleep(max(0.0, began_s + blow.at_s - time.time()))
        program = self.programs[blow.target]
        program.kill() if blow.blow == "kill" else program.stop()
        self._tell("program", "killed" if blow.blow == "kill" else "stopped", name=blow.target)
        await asyncio.sleep(blow.for_s)
        if blow.blow == "kill":
            await asyncio.to_thread(program.start)
        else:
            program.go_on()
        self._tell("program", "started" if blow.blow == "kill" else "went-on", name=blow.target)

    async def _guard(self):
        """Write down who ended by itself, and start it again as its Deployment would."""
        while True:
            await asyncio.sleep(0.2)
            for name, program in self.programs.items():
                code = program.ended_by_itself()
                if code is not None:
                    self._tell("program", "exited", name=name, code=code)
                    await asyncio.to_thread(program.start)

    async def _until_settled(self, script, sampler, began_s, on_progress):
        """Wait until all has ended, and a moment more; tell when the last fault was over."""
        healed_s = began_s + script.last_fault_s
        is_told, quiet_since_s = False, None
        while time.time() < max(healed_s, began_s) + SETTLES_WITHIN_S:
            await asyncio.sleep(0.25)
            now_s = time.time()
            if not is_told and now_s >= healed_s:
                self._tell("run", "healed")
                is_told = True
            ended = sum(state in {"success", "failed"} for state in sampler.states.values())
            on_progress(ended)
            is_quiet = ended >= script.tasks and not any(self._gauges.running.values())
            if not (is_told and is_quiet and not await self._pods()):
                quiet_since_s = None
            elif quiet_since_s is None:
                quiet_since_s = now_s
            elif now_s - quiet_since_s >= QUIET_S:
                return

    async def _look_at_pods(self):
        self._tell("cluster", "pods", names=await self._pods())

    async def _pods(self):
        """Return the names of the pods there are; a placeholder where nobody answers."""
        try:
            page = await self._cluster.list_pods(
                NAMESPACE, selector="kubernetes_executor", limit=5000
            )
        except ClusterError as error:
            return [f"(unknown: {error})"]
        return [pod.metadata.name for pod in page.items]

    @contextlib.asynccontextmanager
    async def _watching(self, node):
        reflector = Reflector(
            self._cluster,
            namespace=NAMESPACE,
            selector="kubernetes_executor",
            page_size=500,
            clock=SystemClock(),
            on_change=node.on_change,
            on_listed=lambda _: None,
        )
        running = asyncio.create_task(reflector.run())
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await reflector.synced.wait()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def _tell(self, source, kind, **fields):
        self.journal.tell(source, kind, **fields)

    # -- ways to the API server

    def _connected(self):
        signed = credentials(self._server, token=self._server.node_token)
        return HttpCluster(signed, request_timeout_s=10, silence_s=70)

    def _own_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(self.folder))
        return context

    def _kubeconfig(self, port):
        """Write the way through the proxy; return its path."""
        pem = (self.folder / "kubelet.pem").read_bytes()
        certificate = pem[pem.index(b"-----BEGIN CERTIFICATE") :]
        cluster = {
            "server": f"https://127.0.0.1:{port}",
            "certificate-authority-data": base64.b64encode(certificate).decode(),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self._server.token}}],
        }
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(document))
        return path


@contextlib.contextmanager
def _rows(airflow):
    """Yield a function that makes the DAG of a script in the database of that Airflow."""
    command = [sys.executable, str(Path(__file__).with_name("rows.py"))]
    log = (airflow.folder / "rows.log").open("ab")
    with (
        log,
        subprocess.Popen(
            command,
            env=airflow.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):

        def make(dag_id, count, retries):
            process.stdin.write(json.dumps([dag_id, count, retries]) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith('{"made"'):
                    return
            sys.exit(f"the DAG could not be made: see {airflow.folder / 'rows.log'}")

        try:
            yield make
        finally:
            process.kill()
