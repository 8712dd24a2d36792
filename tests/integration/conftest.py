"""Integration tier: a real kube-apiserver and etcd on loopback, nodes played by the test.

`./task test:integration` builds both programs and names them in KUBE_APISERVER and ETCD. Without
them the tier fails with a sentence; it is never skipped silently.
"""

import base64
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.http import HttpCluster

READY_WITHIN_S = 60

TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  containers: [{name: base, image: "worker:1"}]
"""


def _program(variable):
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable} is {path!r}, which is no program: run `./task test:integration`")
    return path


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ApiServer:
    """One kube-apiserver with its etcd; can be stopped and started on the same port."""

    def __init__(self, folder):
        self.folder = folder
        self.port = _free_port()
        self.token = secrets.token_hex(16)
        self._etcd_ports = (_free_port(), _free_port())
        self._processes = []
        (folder / "tokens.csv").write_text(f'{self.token},test,test,"system:masters"\n')
        key = ["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"]
        subprocess.run(key, check=True, capture_output=True)

    @property
    def server(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self):
        client, peer = (f"http://127.0.0.1:{port}" for port in self._etcd_ports)
        data = self.folder / "etcd"
        self._spawn(
            [_program("ETCD"), f"--data-dir={data}", "--unsafe-no-fsync=true"]
            + [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
            + [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
            + [f"--initial-cluster=default={peer}"]
        )
        key = self.folder / "sa.key"
        self._spawn(
            [_program("KUBE_APISERVER"), f"--etcd-servers={client}", "--bind-address=127.0.0.1"]
            + [f"--secure-port={self.port}", f"--cert-dir={self.folder / 'certs'}"]
            + [f"--token-auth-file={self.folder / 'tokens.csv'}"]
            + ["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]
            + ["--service-cluster-ip-range=10.96.0.0/16", f"--service-account-key-file={key}"]
            + [f"--service-account-signing-key-file={key}"]
            + ["--service-account-issuer=https://kubernetes.default.svc"]
        )
        self._wait()

    def restart_compacted(self):
        """Forget all history and restart: every watch breaks, every old version is gone."""
        store = f"http://127.0.0.1:{self._etcd_ports[0]}/v3/kv"
        revision = int(_post(f"{store}/range", {"key": "AA=="})["header"]["revision"])
        _post(f"{store}/compaction", {"revision": revision, "physical": True})
        self.stop()
        self.start()

    def stop(self):
        # Killed, not asked: a graceful stop of the API server takes a minute, and losing it at
        # once is the harder case for its clients.
        for process in reversed(self._processes):
            process.kill()
            process.wait(timeout=30)
        self._processes.clear()

    def _spawn(self, command):
        log = (self.folder / f"{Path(command[0]).name}.log").open("ab")
        with log:
            self._processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            )

    def _wait(self):
        insecure = ssl._create_unverified_context()
        request = urllib.request.Request(
            f"{self.server}/readyz", headers={"Authorization": f"Bearer {self.token}"}
        )
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                urllib.request.urlopen(request, context=insecure, timeout=2)
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    pytest.fail(f"no kube-apiserver after {READY_WITHIN_S} s: {error}")
                time.sleep(0.2)
            else:
                return


def _post(url, body):
    request = urllib.request.Request(url, data=json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    server = ApiServer(tmp_path_factory.mktemp("apiserver"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def credentials(server, *, token):
    context = ssl.create_default_context(cafile=str(server.folder / "certs" / "apiserver.crt"))
    context.check_hostname = False
    prover = FixedProof(token=token, ssl_context=context)
    return Credentials(server=server.server, prover=prover)


def connect(server):
    signed = credentials(server, token=server.token)
    return HttpCluster(signed, request_timeout_s=10, silence_s=70)


@pytest.fixture
async def real_cluster(api_server):
    cluster = connect(api_server)
    yield cluster
    await cluster.close()


class Node:
    """Plays the kubelet for pods of a real API server: writes the statuses a test asks for."""

    def __init__(self, cluster):
        self._cluster = cluster

    async def set_status(self, namespace, name, status):
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        await self._patch(path, {"status": status})

    async def vanish(self, namespace, name):
        pod = await self._cluster.get_pod(namespace, name)
        await self._cluster.delete_pod(namespace, name, uid=pod.metadata.uid)

    async def add_event(self, namespace, name, event):
        pod = await self._cluster.get_pod(namespace, name)
        involved = {"kind": "Pod", "namespace": namespace, "name": name, "uid": pod.metadata.uid}
        metadata = {"generateName": f"{name}.", "namespace": namespace}
        body = {"apiVersion": "v1", "kind": "Event", "metadata": metadata} | event
        path = f"/api/v1/namespaces/{namespace}/events"
        await self._cluster._call("POST", path, body=body | {"involvedObject": involved})

    async def create_namespace(self, name):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self._cluster._call("POST", "/api/v1/namespaces", body=body)

    async def _patch(self, path, body):
        kind = "application/strategic-merge-patch+json"
        await self._cluster.transport.call("PATCH", path, body=body, content_type=kind)


@pytest.fixture
async def node(real_cluster):
    return Node(real_cluster)


@pytest.fixture
async def namespace(node):
    name = f"test-{secrets.token_hex(4)}"
    await node.create_namespace(name)
    return name


@pytest.fixture(scope="session")
def database():
    from airflow.utils import db  # noqa: PLC0415 - reads the configuration when imported

    db.initdb()


@pytest.fixture
def kubeconfig(api_server, tmp_path):
    certificate = (api_server.folder / "certs" / "apiserver.crt").read_bytes()
    authority = base64.b64encode(certificate).decode()
    path = tmp_path / "kubeconfig"
    path.write_text(f"""
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: c, cluster: {{server: "{api_server.server}",
  certificate-authority-data: {authority}}}}}]
users: [{{name: u, user: {{token: {api_server.token}}}}}]
contexts: [{{name: test, context: {{cluster: c, user: u}}}}]
""")
    return path


@pytest.fixture
def configured(monkeypatch, tmp_path, kubeconfig, namespace):
    template = tmp_path / "pod.yaml"
    template.write_text(TEMPLATE)
    options = {
        "NAMESPACE": namespace,
        "POD_TEMPLATE_FILE": str(template),
        "IN_CLUSTER": "False",
        "CONFIG_FILE": str(kubeconfig),
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__TRADEWIND__{name}", value)
    return options
