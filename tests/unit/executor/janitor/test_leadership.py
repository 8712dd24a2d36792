import pytest
from doubles import ManualClock

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.janitor.kube import Lease
from tradewind.janitor.leadership import DURATION_S, Leadership


class Store:
    """One Lease with the versions a real one has."""

    def __init__(self):
        self.lease = None
        self.failure = None

    async def read(self):
        if self.failure:
            raise self.failure
        return self.lease

    async def write(self, lease):
        if self.failure:
            raise self.failure
        current = self.lease.version if self.lease else ""
        if lease.version != current:
            raise ApiError(409, reason="Conflict", message="the object has been modified")
        version = str(int(current or 0) + 1)
        self.lease = Lease(
            version=version,
            holder=lease.holder,
            renewed=lease.renewed,
            duration_s=lease.duration_s,
        )
        return self.lease


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def janitor(store, clock):
    return lambda name: Leadership(store, identity=name, monotonic_s=clock.now_s)


async def test_the_first_one_leads_and_the_second_waits(janitor):
    first, second = janitor("a"), janitor("b")
    assert await first.renew()
    assert not await second.renew()
    assert (first.may_write(), second.may_write()) == (True, False)
    assert second.holder == "a"


async def test_a_holder_that_stopped_renewing_is_replaced_after_its_time(janitor, clock):
    first, second = janitor("a"), janitor("b")
    await first.renew()
    assert not await second.renew()
    clock.passed_s += DURATION_S - 1
    assert not await second.renew()
    clock.passed_s += 1
    assert await second.renew()
    assert not first.may_write()
    assert not await first.renew()


async def test_whoever_cannot_renew_stops_before_another_may_begin(janitor, store, clock):
    first, second = janitor("a"), janitor("b")
    await first.renew()
    await second.renew()
    store.failure = ConnectionLostError("reset")
    with pytest.raises(ConnectionLostError):
        await first.renew()
    assert first.may_write()
    clock.passed_s += DURATION_S * 2 / 3
    assert not first.may_write()
    store.failure = None
    assert not await second.renew()


async def test_of_two_that_take_a_free_lease_one_gets_it(janitor, store):
    first, second = janitor("a"), janitor("b")
    read, stale = store.read, store.lease

    async def both_see_it_free():
        return stale

    store.read = both_see_it_free
    assert [await first.renew(), await second.renew()] == [True, False]
    store.read = read
    assert not second.may_write()


async def test_a_holder_keeps_its_lease_while_it_renews(janitor, clock):
    first, second = janitor("a"), janitor("b")
    for _ in range(10):
        assert await first.renew()
        assert not await second.renew()
        clock.passed_s += DURATION_S / 4


async def test_a_lease_that_is_given_back_is_free_at_once(janitor):
    first, second = janitor("a"), janitor("b")
    await first.renew()
    await first.release()
    assert not first.may_write()
    assert await second.renew()


async def test_a_lease_of_another_is_never_given_back(janitor, store):
    first, second = janitor("a"), janitor("b")
    await first.renew()
    await second.renew()
    await second.release()
    assert store.lease.holder == "a"


async def test_a_restarted_janitor_of_the_same_name_goes_on_at_once(janitor):
    await janitor("a").renew()
    assert await janitor("a").renew()
