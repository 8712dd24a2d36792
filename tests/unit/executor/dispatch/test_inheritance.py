import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tradewind.dispatch.inheritance import Inheritance
from tradewind.dispatch.ledger import Entry, Ledger, Phase
from tradewind.pods import labels
from tradewind.testing.builders import a_pod

LAUNCH = uuid.UUID(int=4)
CALLBACK = {
    labels.LAUNCH_ID: str(LAUNCH),
    labels.WORKLOAD: "callback",
    "airflow-worker": "3",
}


class World:
    """A picture of pods, and whoever says which are abandoned."""

    def __init__(self, **found_by):
        self.pods = [a_pod(labels=found_by or CALLBACK, annotations={"dag_id": "etl"})]
        self.ledger = Ledger()
        self.asked = []
        self.adopted = []
        self.keys = {LAUNCH: "key"}

    def read(self, abandoned):
        self.asked += abandoned
        return self.keys

    async def take(self, *, read=True):
        with ThreadPoolExecutor(1) as threads:
            await Inheritance(
                ledger=self.ledger,
                picture=lambda: self.pods,
                read=self.read if read else None,
                adopt=lambda *adopted: self.adopted.append(adopted),
                threads=threads,
            ).take()


@pytest.mark.parametrize("kind", ["callback", "connection-test"])
async def test_an_abandoned_workload_is_followed_as_what_it_is(kind):
    world = World(**CALLBACK | {labels.WORKLOAD: kind})
    await world.take()
    ((key, launch_id, workload, pod),) = world.adopted
    assert (key, launch_id, pod) == ("key", LAUNCH, world.pods[0])
    assert (workload.kind, workload.dag_id) == (kind, "etl")
    assert world.asked[0].scheduler == "3"


async def test_what_somebody_follows_is_left_to_them():
    world = World()
    world.keys = {}
    await world.take()
    assert world.asked
    assert world.adopted == []


async def test_nobody_is_asked_about_launches_of_our_own():
    world = World()
    entry = Entry(key="key", launch_id=LAUNCH, row_id=LAUNCH, launch=None, phase=Phase.LIVE)
    world.ledger.add(entry)
    await world.take()
    assert world.asked == []


@pytest.mark.parametrize(
    "found_by",
    [
        pytest.param({labels.LAUNCH_ID: str(LAUNCH)}, id="a-tasks-pod"),
        pytest.param(CALLBACK | {labels.LAUNCH_ID: "odd"}, id="an-odd-launch-id"),
    ],
)
async def test_other_pods_are_no_candidates(found_by):
    world = World(**found_by)
    await world.take()
    assert world.asked == []


async def test_without_anybody_to_ask_all_stay():
    world = World()
    await world.take(read=False)
    assert world.adopted == []


async def test_before_there_is_a_picture_nothing_happens():
    world = World()
    world.pods = None
    await world.take()
    assert world.asked == []
