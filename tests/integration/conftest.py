"""Integration tier: a real kube-apiserver and etcd on loopback, nodes played by the test.

`./task test:integration` builds both programs and names them in KUBE_APISERVER and ETCD. Without
them the tier fails with a sentence; it is never skipped silently.
"""

import secrets

import pytest
from kube_apiserver import Node, connect, running, write_kubeconfig

TEMPLATE = """
apiVersion: v1
kind: Pod
spec:
  # Real servers fill this in when a pod is created; the admission that does it is off here.
  serviceAccountName: default
  containers: [{name: base, image: "worker:1"}]
"""


@pytest.fixture(scope="session")
def api_server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest.fixture
async def real_cluster(api_server):
    cluster = connect(api_server)
    yield cluster
    await cluster.close()


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
    return write_kubeconfig(api_server, tmp_path / "kubeconfig")


@pytest.fixture
def delivery(request):
    """How pods get their workload; a module whose claims hold both ways parametrizes it."""
    return getattr(request, "param", "args")


@pytest.fixture
def configured(monkeypatch, tmp_path, kubeconfig, namespace, delivery):
    template = tmp_path / "pod.yaml"
    template.write_text(TEMPLATE)
    options = {
        "NAMESPACE": namespace,
        "POD_TEMPLATE_FILE": str(template),
        "IN_CLUSTER": "False",
        "CONFIG_FILE": str(kubeconfig),
        "DELIVERY": delivery,
        "BOARDING_URL": "http://127.0.0.1:1/tradewind/v1/board",
    }
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__TRADEWIND__{name}", value)
    return options
