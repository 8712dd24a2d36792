"""A real `airflow api-server` beside a real kube-apiserver, with the rights the chart gives it."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from issued_tokens import Issuer
from kube_apiserver import connect

from tradewind_tools import ports

READY_WITHIN_S = 180
ROLE = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
]
"""As chart/templates/api-server/role.yaml."""


class Airflow:
    """One API server with a database of its own; `with` starts and stops it."""

    INSTALLATION = "here"

    def __init__(self, folder, server, *, namespace, bundle=None, **options):
        self.folder = Path(folder) / "airflow"
        self.folder.mkdir()
        (self.port,) = ports.free(1)
        self._server = server
        self._namespace = namespace
        self._options = options
        self.bundles = json.dumps([bundle]) if bundle else ""
        self._account = None
        self._process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self._process.pid

    @property
    def log(self):
        return (self.folder / "api-server.log").read_text(errors="replace")

    def __enter__(self):
        environment = self.environment()
        airflow = [sys.executable, "-m", "airflow"]
        with (self.folder / "migrate.log").open("wb") as log:
            subprocess.run(
                [*airflow, "db", "migrate"], env=environment, check=True, stdout=log, stderr=log
            )
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Serve, again if it was stopped, and wait until pods can board."""
        command = [sys.executable, "-m", "airflow", "api-server", "--port", str(self.port)]
        with (self.folder / "api-server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--host", "127.0.0.1"],
                env=self.environment(),
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        self._process.kill()
        self._process.wait(timeout=30)

    def environment(self):
        """Return the variables of the API server's process, and of others of the same Airflow."""
        options = {
            "NAMESPACE": self._namespace,
            "INSTALLATION": self.INSTALLATION,
            "IN_CLUSTER": "False",
            "CONFIG_FILE": str(self._kubeconfig()),
            "DELIVERY": "boarding",
            "BOARDING_URL": f"{self.url}/tradewind/v1/board",
        } | self._options
        return os.environ | {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__EXECUTOR": "tradewind.executor.TradewindExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
            ),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-tests-" + "0123456789" * 5,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder}/airflow.db",
            **{f"AIRFLOW__TRADEWIND__{name}": value for name, value in options.items()},
            **(
                {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": self.bundles}
                if self.bundles
                else {}
            ),
        }

    def health(self):
        """Return (status, document) of the endpoint's health; the document may be a page."""
        try:
            with urllib.request.urlopen(f"{self.url}/tradewind/v1/health", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError as error:
            return 0, str(error).encode()

    def _wait(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            status, body = self.health()
            if status == 200 and json.loads(body)["status"] == "ready":
                return
            assert self._process.poll() is None, self.log[-4000:]
            assert time.monotonic() < deadline, (status, body, self.log[-4000:])
            time.sleep(0.2)

    def _kubeconfig(self):
        certificate = (self._server.folder / "certs" / "apiserver.crt").read_bytes()
        cluster = {
            "server": self._server.server,
            "certificate-authority-data": base64.b64encode(certificate).decode(),
        }
        document = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": self._token()}}],
        }
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(document))
        return path

    def _token(self):
        if self._account is None:
            self._account = asyncio.run(self._issued())
        return self._account

    async def _issued(self):
        """Return the token of an account that has the chart's Role and nothing else."""
        cluster = connect(self._server)
        try:
            issuer = Issuer(cluster, self._namespace)
            await issuer.account("api-server")
            await issuer.role("api-server", ROLE)
            return await issuer.token(account="api-server", audience="", seconds=3600)
        finally:
            await cluster.close()
