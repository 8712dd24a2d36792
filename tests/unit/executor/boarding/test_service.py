"""What runs behind the endpoint: it starts late, breaks and comes back, and says so."""

import asyncio

import pytest

from tradewind import metrics
from tradewind.boarding.service import Service
from tradewind.boarding.upkeep import Source
from tradewind.client.errors import ConnectionLostError
from tradewind.errors import ConfigError
from tradewind.testing.builders import settings
from tradewind.testing.fake_identities import rsa_key
from tradewind.testing.faulty_cluster import FaultyCluster
from tradewind.testing.recorded_metrics import RecordedMetrics
from tradewind.testing.virtual_time import eventually

CLAIM = {"tradewind/launch-id": "6d0fe2f0-5a3b-4d57-9c6a-0a54f5a7f0d1"}
NOTED = {"tradewind/row-id": "0197a2b4-0000-7000-8000-000000000001"}


class Parts:
    def __init__(self, clock, identities, **options):
        self.clock = clock
        self.cluster = FaultyCluster()
        self.identities = identities
        self.settings = settings(namespace="tasks", installation="here", **options)
        self.connect_faults = []
        self.warm_up_faults = []
        self.measured = RecordedMetrics()

    def service(self):
        return Service(
            self.connect,
            hand_over=self.hand_over,
            warm_up=self.warm_up,
            clock=self.clock,
            measured=self.measured,
        )

    def connect(self):
        if self.connect_faults:
            raise self.connect_faults.pop(0)
        return [Source(cluster=self.cluster, identities=self.identities, settings=self.settings)]

    async def hand_over(self, claim):
        return b"{}"

    async def warm_up(self):
        if self.warm_up_faults:
            raise self.warm_up_faults.pop(0)


class Running:
    def __init__(self, service):
        self.service = service

    async def __aenter__(self):
        self.task = asyncio.create_task(self.service.run())
        await asyncio.sleep(0.1)
        return self.service

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
def parts(clock, identities):
    return lambda **options: Parts(clock, identities(), **options)


async def asked(service, token=""):
    async def body():
        return b'{"protocol": 1, "hold": 0}'

    return await service.board(f"Bearer {token}" if token else None, body)


async def test_it_is_ready_once_everything_has_answered(parts):
    async with Running(parts().service()) as service:
        health = service.health()
        assert (health.status, health.not_ready, health.waiting) == ("ready", (), 0)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        pytest.param(
            lambda made: made.connect_faults.extend([ConfigError("no token")] * 9),
            "no cluster is connected",
            id="no-credentials",
        ),
        pytest.param(
            lambda made: setattr(made.cluster, "is_down", True),
            "the pods in namespace tasks are not listed",
            id="no-list",
        ),
        pytest.param(
            lambda made: setattr(made.identities, "fault", ConnectionLostError("refused")),
            "the cluster's signing keys are not known",
            id="no-keys",
        ),
        pytest.param(
            lambda made: made.warm_up_faults.extend([RuntimeError("500")] * 9),
            "Airflow's Execution API has not answered a first request",
            id="cold-execution-api",
        ),
    ],
)
async def test_what_is_missing_keeps_it_starting_for_a_minute(parts, break_it, sentence):
    made = parts()
    break_it(made)
    async with Running(made.service()) as service:
        assert service.health().status == "starting"
        assert sentence in service.health().not_ready
        # A probe must not take Airflow's interface away because Kubernetes' API is away.
        await asyncio.sleep(61)
        assert service.health().status == "degraded"
        assert sentence in service.health().not_ready


async def test_what_comes_late_is_tried_again_until_it_is_there(parts):
    made = parts()
    made.connect_faults = [ConfigError("no token"), ConfigError("no token")]
    made.warm_up_faults = [RuntimeError("500")]
    async with Running(made.service()) as service:
        assert (await asked(service)).status == 503
        await eventually(lambda: service.health().status == "ready", within_s=120)
        assert (await asked(service)).status == 401


async def test_once_it_was_ready_it_never_starts_again(parts):
    made = parts()
    async with Running(made.service()) as service:
        assert service.health().status == "ready"
        await made.cluster.break_down()
        await asyncio.sleep(200)
        health = service.health()
        assert health.status == "degraded"
        assert health.not_ready == ("the watch of the pods in namespace tasks is silent",)
        made.cluster.come_back()
        await eventually(lambda: service.health().status == "ready")


async def test_an_error_that_nobody_thought_of_is_survived(parts, monkeypatch):
    made = parts()

    async def broken():
        made.identities.calls.append("keys")
        raise ZeroDivisionError

    monkeypatch.setattr(made.identities, "keys", broken)
    async with Running(made.service()) as service:
        await asyncio.sleep(100)
        assert made.identities.calls.count("keys") > 1
        monkeypatch.undo()
        await eventually(lambda: service.health().status == "ready")


async def test_where_everything_is_watched_accounts_have_to_be_named(parts, caplog):
    made = parts(multi_namespace_mode="True")
    pod = await made.cluster.create_pod(
        "anywhere",
        {
            "metadata": {
                "name": "p",
                "labels": CLAIM | {"tradewind/installation": "here"},
                "annotations": NOTED,
            }
        },
    )
    token = made.identities.token(pod="p", uid=pod.metadata.uid, namespace="anywhere")
    async with Running(made.service()) as service:
        assert (await asked(service, token)).status == 401
        assert "set boarding_service_accounts" in service.health().not_ready[0]
    assert "has to name the ServiceAccounts of task pods" in caplog.text
    named = parts(multi_namespace_mode="True", boarding_service_accounts="*:worker")
    named.cluster, named.identities = made.cluster, made.identities
    async with Running(named.service()) as service:
        assert (await asked(service, token)).status == 200


async def test_pods_of_every_watched_namespace_are_served(parts):
    made = parts(multi_namespace_mode="True", multi_namespace_mode_namespace_list="etl")
    async with Running(made.service()) as service:
        for namespace in ("tasks", "etl"):
            metadata = {
                "name": "p",
                "labels": CLAIM | {"tradewind/installation": "here"},
                "annotations": NOTED,
            }
            pod = await made.cluster.create_pod(namespace, {"metadata": metadata})
            token = made.identities.token(pod="p", uid=pod.metadata.uid, namespace=namespace)
            assert (await asked(service, token)).status == 200


async def test_pods_of_every_cluster_are_served(parts, identities):
    ours, theirs = parts(), parts()
    theirs.identities.rotate(rsa_key(6))
    service = Service(
        lambda: [*ours.connect(), *theirs.connect()],
        hand_over=ours.hand_over,
        warm_up=ours.warm_up,
        clock=ours.clock,
    )
    async with Running(service):
        for cluster in (ours, theirs):
            metadata = {
                "name": "p",
                "labels": CLAIM | {"tradewind/installation": "here"},
                "annotations": NOTED,
            }
            pod = await cluster.cluster.create_pod("tasks", {"metadata": metadata})
            token = cluster.identities.token(pod="p", uid=pod.metadata.uid)
            assert (await asked(service, token)).status == 200
        stranger = identities()
        stranger.rotate(rsa_key(7))
        assert (await asked(service, stranger.token(pod="p"))).status == 401


async def test_how_many_wait_is_measured(parts):
    made = parts()
    async with Running(made.service()):
        await asyncio.sleep(6)
        assert made.measured.last(metrics.BOARD_WAITING) == 0
