"""A real kube-apiserver with its etcd on loopback, and a client for it."""

import base64
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.http import HttpCluster
from tradewind.testing.trust import trusting
from tradewind_tools import ports

READY_WITHIN_S = 60


def _program(variable):
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable} is {path!r}, which is no program: run `./task test:integration`")
    return path


class ApiServer:
    """One kube-apiserver with its etcd; can be stopped and started on the same port."""

    def __init__(self, folder, *, flags=()):
        self.folder = folder
        self.flags = list(flags)
        self.port, *self._etcd_ports = ports.free(3)
        self.token = secrets.token_hex(16)
        self._processes = []
        self.node_token = secrets.token_hex(16)
        users = ((self.token, "test"), (self.node_token, "node"))
        lines = [f'{token},{user},{user},"system:masters"\n' for token, user in users]
        (folder / "tokens.csv").write_text("".join(lines))
        self._signing_keys = []
        self.rotate_signing_key()

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
        self._spawn(
            [_program("KUBE_APISERVER"), f"--etcd-servers={client}", "--bind-address=127.0.0.1"]
            + [f"--secure-port={self.port}", f"--cert-dir={self.folder / 'certs'}"]
            + [f"--token-auth-file={self.folder / 'tokens.csv'}"]
            + ["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]
            + ["--service-cluster-ip-range=10.96.0.0/16"]
            + [f"--service-account-key-file={key}" for key in self._signing_keys]
            + [f"--service-account-signing-key-file={self._signing_keys[0]}"]
            + ["--service-account-issuer=https://kubernetes.default.svc"]
            + self.flags
        )
        self._wait()

    def rotate_signing_key(self, *, keep_old=False):
        """Sign ServiceAccount tokens with another key, once started again."""
        key = self.folder / f"sa-{len(list(self.folder.glob('sa-*.key')))}.key"
        command = ["openssl", "genrsa", "-out", str(key), "2048"]
        subprocess.run(command, check=True, capture_output=True)
        self._signing_keys = [key, *(self._signing_keys if keep_old else ())]

    def create_namespace(self, name):
        """Create a namespace, as the user of `token`."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        request = urllib.request.Request(
            f"{self.server}/api/v1/namespaces",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        insecure = ssl._create_unverified_context()
        urllib.request.urlopen(request, context=insecure, timeout=10).close()

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


def credentials(server, *, token):
    context = trusting(server.folder / "certs" / "apiserver.crt")
    prover = FixedProof(token=token, ssl_context=context)
    return Credentials(server=server.server, prover=prover)


def connect(server):
    signed = credentials(server, token=server.token)
    return HttpCluster(signed, request_timeout_s=10, silence_s=70)


AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {{level: {level}, users: [test], resources: [{{resources: [pods, "pods/*", events]}}]}}
- {{level: None}}
"""


def audited(folder, *, level):
    """Return an API server that writes to audit.log what its user asks about pods and events.

    Level `Metadata` has no bodies, `Request` those of questions.
    """
    policy = folder / "audit.yaml"
    policy.write_text(AUDIT.format(level=level))
    flags = [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        # A file of 100 MB would be put aside, in the midst of what somebody counts in it.
        "--audit-log-maxsize=1000000",
        "--audit-log-mode=blocking",
    ]
    return ApiServer(folder, flags=flags)


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


@contextlib.contextmanager
def running(folder):
    """Start an API server and stop it, also one that did not come up."""
    server = ApiServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def write_kubeconfig(api_server, path):
    """Write how to reach the API server as an administrator; return the path."""
    certificate = (api_server.folder / "certs" / "apiserver.crt").read_bytes()
    authority = base64.b64encode(certificate).decode()
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
