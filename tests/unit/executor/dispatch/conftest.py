"""Everything in this folder runs in virtual time: waits of minutes pass at once."""

import pytest

from tradewind.testing import virtual_time


def pytest_asyncio_loop_factories():
    return {"virtual": virtual_time.VirtualLoop}


@pytest.fixture
def clock():
    return virtual_time.VirtualClock()


@pytest.fixture
def eventually():
    return virtual_time.eventually
