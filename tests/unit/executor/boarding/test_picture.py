"""Held requests: who is woken by what."""

import asyncio

import pytest

from tradewind import metrics
from tradewind.boarding.claims import Identity
from tradewind.boarding.picture import MOST_HELD, Picture
from tradewind.testing.builders import a_pod
from tradewind.testing.recorded_metrics import RecordedMetrics
from tradewind.watch.reflector import Change

LAUNCH = "6d0fe2f0-5a3b-4d57-9c6a-0a54f5a7f0d1"
ROW = "0197a2b4-0000-7000-8000-000000000001"


@pytest.fixture
def measured():
    return RecordedMetrics()


@pytest.fixture
def picture(clock, measured):
    return Picture(clock=clock, measured=measured)


def idle(uid="u1", version=1):
    return a_pod(uid=uid, resourceVersion=str(version), labels={"tradewind/pool": "default"})


def claimed(uid="u1", version=2, at_s=None):
    annotations = {"tradewind/row-id": ROW}
    if at_s is not None:
        annotations["tradewind/claimed-at"] = f"{at_s:.3f}"
    labels = {"tradewind/pool": "default", "tradewind/launch-id": LAUNCH}
    return a_pod(uid=uid, resourceVersion=str(version), labels=labels, annotations=annotations)


def draining(uid="u1"):
    return a_pod(uid=uid, labels={"tradewind/draining": "true"})


def held(picture, uid="u1", seconds=25.0):
    identity = Identity(namespace="tasks", pod_name="etl-load", pod_uid=uid, expires_s=9e9)
    return asyncio.create_task(picture.hold(identity, seconds=seconds))


async def test_pods_come_and_go(picture):
    picture.on_change(Change(pod=idle()))
    assert picture.pod("u1") == idle().metadata
    picture.on_change(Change(pod=idle(), gone=True))
    assert picture.pod("u1") is None


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(Change(pod=claimed()), id="claimed"),
        pytest.param(Change(pod=draining()), id="told-to-go"),
        pytest.param(Change(pod=idle(), gone=True), id="gone"),
    ],
)
async def test_a_request_is_woken_when_there_is_something_to_say(picture, clock, change):
    request = held(picture)
    await asyncio.sleep(5)
    picture.on_change(change)
    assert await request == "changed"
    assert clock.now_s() == pytest.approx(5)
    assert picture.held == 0


async def test_news_that_leave_a_pod_idle_wake_nobody(picture, clock):
    request = held(picture)
    await asyncio.sleep(1)
    picture.on_change(Change(pod=idle(version=7)))
    assert await request == "expired"
    assert clock.now_s() == pytest.approx(25)


async def test_older_news_than_it_has_are_dropped(picture):
    picture.on_look("u1", claimed(version=5).metadata)
    picture.on_change(Change(pod=idle(version=4)))
    assert picture.pod("u1") == claimed(version=5).metadata


async def test_news_of_another_pod_wake_nobody(picture):
    request = held(picture)
    await asyncio.sleep(1)
    picture.on_change(Change(pod=claimed(uid="u2")))
    assert await request == "expired"


async def test_the_newest_request_of_a_pod_wins(picture):
    older, newer = held(picture), None
    await asyncio.sleep(1)
    newer = held(picture)
    assert await older == "replaced"
    assert picture.held == 1
    picture.on_change(Change(pod=claimed()))
    assert await newer == "changed"
    assert picture.held == 0


async def test_a_request_whose_connection_broke_holds_no_place(picture):
    request = held(picture)
    await asyncio.sleep(1)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    assert picture.held == 0


async def test_requests_are_held_up_to_a_number(picture):
    requests = [held(picture, uid=str(number)) for number in range(MOST_HELD)]
    await asyncio.sleep(0)
    assert picture.is_full
    assert picture.holds("0")
    assert not picture.holds("another")
    assert set(await asyncio.gather(*requests)) == {"expired"}
    assert not picture.is_full


async def test_how_late_the_watch_is_shows_in_a_metric(picture, clock, measured):
    picture.on_change(Change(pod=idle()))
    picture.on_change(Change(pod=claimed(at_s=clock.utc_s() - 0.25)))
    assert list(measured.series[metrics.WATCH_LAG]) == [pytest.approx(0.25, abs=0.001)]


async def test_a_pod_that_was_born_claimed_says_nothing_of_the_watch(picture, clock, measured):
    picture.on_change(Change(pod=claimed(at_s=clock.utc_s() - 60)))
    picture.on_change(Change(pod=claimed(at_s=clock.utc_s() - 60, version=3)))
    assert list(measured.series[metrics.WATCH_LAG]) == []
