"""The executor between a scheduler that the test plays and a cluster in memory; an authority."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import time
import uuid

import pytest
from airflow.executors.workloads import ExecuteCallback, ExecuteTask, TestConnection
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.callback import CallbackDTO
from airflow.executors.workloads.task import TaskInstanceDTO
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tradewind import _compat, assembly, workloads
from tradewind.client import endpoint as client
from tradewind.client.endpoint import Answer
from tradewind.client.tls import KeyPair
from tradewind.dispatch.settle import TaskFacts
from tradewind.executor import TradewindExecutor
from tradewind.testing.builders import base_ended, base_running, base_waiting, condition
from tradewind.testing.fake_cluster import FakeCluster

WITHIN_S = 10


class Scheduler:
    """Calls the executor as Airflow's scheduler does, and writes the task instances' rows."""

    NAMESPACE = "default"

    def __init__(self, cluster):
        self.cluster = cluster
        self.rows = {}
        self.failed_tests = []
        self.executor = TradewindExecutor(parallelism=32)
        self.executor.job_id = 7

    @contextlib.contextmanager
    def started(self):
        self.executor.start()
        try:
            yield self.executor
        finally:
            self.executor.end()

    # -- workloads

    def a_task(self, **changed):
        values = {
            "id": uuid.uuid4(),
            "dag_id": "etl",
            "task_id": "load",
            "run_id": "manual__1",
            "try_number": 1,
            "dag_version_id": uuid.uuid4(),
            "queue": "default",
            "pool_slots": 1,
            "priority_weight": 1,
            "external_executor_id": str(uuid.uuid4()),
        } | changed
        return ExecuteTask(
            ti=TaskInstanceDTO(**values),
            dag_rel_path="d.py",
            token="",
            log_path="log",
            bundle_info=BundleInfo(name="tests"),
        )

    def a_callback(self, **data):
        callback = CallbackDTO(
            id=str(uuid.uuid4()),
            fetch_method="import_path",
            data={"path": "alerts.page_somebody", "kwargs": {}, "dag_id": "etl"} | data,
        )
        return ExecuteCallback(
            callback=callback,
            dag_rel_path="d.py",
            token="",
            log_path="log",
            bundle_info=BundleInfo(name="tests"),
        )

    def a_connection_test(self):
        return TestConnection(
            connection_test_id=uuid.uuid4(), connection_id="warehouse", timeout=60, token=""
        )

    # -- what a scheduler and a kubelet do

    def queue(self, workload, state="queued"):
        self.executor.queue_workload(workload, session=None)
        if isinstance(workload, ExecuteTask):
            self.set_state(workload, state)
        self.executor.heartbeat()

    def set_state(self, workload, state):
        ti = workload.ti
        launch_id = _compat.launch_id_of(ti.external_executor_id) or ti.id
        self.rows[ti.id] = TaskFacts(state=state, launch_id=launch_id)

    def read_facts(self, row_ids):
        return {row_id: self.rows[row_id] for row_id in row_ids if row_id in self.rows}

    def until(self, claim):
        deadline = time.monotonic() + WITHIN_S
        while not claim():
            assert time.monotonic() < deadline, "it never came true"
            self.executor.heartbeat()
            time.sleep(0.005)

    def pod(self, number=0):
        self.until(lambda: len(self.cluster.names()) > number)
        return self.cluster.names()[number]

    def raw(self, name):
        return self.cluster.raw(self.NAMESPACE, name)

    def runs(self, name):
        self.on_loop(self.cluster.set_status(self.NAMESPACE, name, base_running()))

    def ends(self, name, exit_code=0, **terminated):
        status = base_ended(exit_code, **terminated)
        self.on_loop(self.cluster.set_status(self.NAMESPACE, name, status))

    def waits(self, name, reason, message=""):
        # Kubernetes' scheduler has placed it, as the kubelet's words say.
        status = base_waiting(reason, message) | condition("PodScheduled", "")
        self.on_loop(self.cluster.set_status(self.NAMESPACE, name, status))

    def on_loop(self, coroutine):
        """Run the coroutine where the fake cluster lives: on the executor's own loop."""
        loop = self.executor._loop._bridge._loop
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(WITHIN_S)

    def kill_loop(self):
        """End the loop thread as a bug would: without anybody having asked for it."""
        bridge = self.executor._loop._bridge
        bridge._loop.call_soon_threadsafe(bridge._main.cancel)
        bridge._thread.join(WITHIN_S)
        assert not self.executor._loop.is_alive

    def events(self):
        return {key: state for key, (state, _) in self.executor.get_event_buffer().items()}

    def audit(self):
        """Return (event, text) of the rows that wait for the scheduler to save them."""
        return [(row.event, row.extra) for row in self.executor._task_event_logs]


@pytest.fixture
def template(tmp_path, monkeypatch):
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\nspec: {containers: [{name: base, image: worker}]}")
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_TEMPLATE_FILE", str(path))
    return path


@pytest.fixture
def loader(monkeypatch):
    """Return Airflow's loader of executors, as a new process has it."""
    from airflow.executors import executor_loader  # noqa: PLC0415
    from airflow.executors.executor_loader import ExecutorLoader  # noqa: PLC0415

    for name in (
        "_alias_to_executors_per_team",
        "_module_to_executors_per_team",
        "_classname_to_executors_per_team",
        "_team_name_to_executors",
    ):
        mapping = getattr(executor_loader, name)
        monkeypatch.setattr(executor_loader, name, type(mapping)(mapping.default_factory))
    monkeypatch.setattr(executor_loader, "_executor_names", [])
    monkeypatch.setattr(ExecutorLoader, "executors", dict(ExecutorLoader.executors))
    return ExecutorLoader


async def _nobody(_, **__):
    """Stand where nobody answers: no test waits for a network."""
    return Answer(text="nobody")


@pytest.fixture
def delivery(request):
    """How pods get their workload; a test whose claim holds both ways parametrizes it."""
    return getattr(request, "param", "args")


@pytest.fixture
def scheduler(monkeypatch, template, delivery):
    cluster = FakeCluster()
    monkeypatch.setenv("AIRFLOW__TRADEWIND__DELIVERY", delivery)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__BOARDING_URL", "http://api/tradewind/v1/board")
    monkeypatch.setattr(client, "ask", _nobody)

    def connect(_, *, measured):
        cluster._news = asyncio.Condition()  # It belongs to the first loop that waits on it.
        return cluster

    monkeypatch.setattr(assembly, "connect", connect)
    played = Scheduler(cluster)
    monkeypatch.setattr(_compat, "read_facts", played.read_facts)
    monkeypatch.setattr(_compat, "read_strays", lambda _: {})
    monkeypatch.setattr(_compat, "abandoned_keys", lambda _: {})
    monkeypatch.setattr(
        workloads, "fail_connection_test", lambda *told: played.failed_tests.append(told)
    )
    return played


DAY = dt.timedelta(days=1)


class Authority:
    """A CA of the tests' own."""

    def __init__(self, name="test-ca"):
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        built = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        self.pem = _pem(built.sign(self._key, hashes.SHA256()))

    def issue(self, name, *, password=None, lasts=DAY):
        """Return a key pair for a host name, an address or a user; it ends `lasts` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        try:
            also = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            also = x509.DNSName(name)
        built = self._builder(subject, key, lasts).add_extension(
            x509.SubjectAlternativeName([also]), critical=False
        )
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        return KeyPair(_pem(built.sign(self._key, hashes.SHA256())), pem)

    def _builder(self, subject, key, lasts=DAY):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * DAY)
            .not_valid_after(now + lasts)
        )


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def authority():
    return Authority()
