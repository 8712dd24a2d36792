"""Everything in this folder runs in virtual time: waits of minutes pass at once."""

from tradewind.testing import virtual_time


def pytest_asyncio_loop_factories():
    return {"virtual": virtual_time.VirtualLoop}
