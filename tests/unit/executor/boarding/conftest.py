"""Everything in this folder runs in virtual time: waits of minutes pass at once."""

import asyncio
import contextlib
import json
import uuid

import pytest

from tradewind.boarding.endpoint import Closed
from tradewind.boarding.service import Service
from tradewind.boarding.upkeep import Source
from tradewind.testing import virtual_time
from tradewind.testing.builders import settings
from tradewind.testing.fake_identities import FakeIdentities
from tradewind.testing.faulty_cluster import FaultyCluster
from tradewind.testing.recorded_metrics import RecordedMetrics


def pytest_asyncio_loop_factories():
    return {"virtual": virtual_time.VirtualLoop}


@pytest.fixture
def clock():
    return virtual_time.VirtualClock()


@pytest.fixture
def eventually():
    return virtual_time.eventually


@pytest.fixture
def identities(clock):
    """Made where the clock runs: in the test."""
    return lambda **changed: FakeIdentities(clock=clock, **changed)


class World:
    """The endpoint over a cluster in memory; launches are handed over as the test says."""

    NAMESPACE = "tasks"

    def __init__(self, clock, identities):
        self.clock = clock
        self.cluster = FaultyCluster()
        self.identities = identities()
        self.measured = RecordedMetrics()
        self.handed = []
        self.state = "queued"
        self.database_fault = None
        self.warm_ups = 0

    # -- pods

    async def pod(self, name, *, labels=None, annotations=None, installation="here"):
        metadata = {
            "name": name,
            "labels": {"tradewind/installation": installation} | (labels or {}),
            "annotations": annotations or {},
        }
        return await self.cluster.create_pod(self.NAMESPACE, {"metadata": metadata, "spec": {}})

    async def idle(self, name="w1"):
        return await self.pod(name, labels={"tradewind/pool": "default"})

    async def claim(self, name="w1"):
        """Claim the pod as an executor does."""
        noted = {
            "tradewind/row-id": str(uuid.uuid4()),
            "tradewind/claimed-at": f"{self.clock.utc_s():.3f}",
        }
        claim = {"labels": {"tradewind/launch-id": str(uuid.uuid4())}, "annotations": noted}
        await self.cluster.patch_pod(self.NAMESPACE, name, {"metadata": claim})

    def token(self, pod, **changed):
        metadata = pod.metadata
        return self.identities.token(pod=metadata.name, uid=metadata.uid, **changed)

    # -- the endpoint

    @contextlib.asynccontextmanager
    async def serving(self, **options):
        options = {"namespace": self.NAMESPACE, "installation": "here"} | options
        source = Source(
            cluster=self.cluster, identities=self.identities, settings=settings(**options)
        )
        self.service = Service(
            lambda: [source],
            hand_over=self._hand_over,
            warm_up=self._warm_up,
            clock=self.clock,
            measured=self.measured,
        )
        running = asyncio.create_task(self.service.run())
        await virtual_time.eventually(lambda: self.service.health().status == "ready")
        try:
            yield self
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def board(self, pod=None, *, token=None, body=None, **request):
        """Ask as the pod's worker does; None is how it is asked without a token."""
        request = {"protocol": 1, "template": "", "worker": "1", "hold": 25} | request
        sent = json.dumps(request).encode() if body is None else body

        async def read_body():
            return sent

        token = self.token(pod) if token is None and pod is not None else token
        header = None if token is None else f"Bearer {token}"
        return await self.service.board(header, read_body)

    async def _hand_over(self, claim):
        if self.database_fault is not None:
            raise self.database_fault
        if self.state != "queued":
            return Closed(state=self.state)
        self.handed.append(claim)
        return json.dumps({"launch": str(claim.launch_id)}).encode()

    async def _warm_up(self):
        self.warm_ups += 1


@pytest.fixture
def world(clock, identities):
    """Made where the clock runs: in the test."""
    return lambda: World(clock, identities)
