"""Unit tier: no cluster, no network, no sleeping longer than a moment."""

import asyncio
import gc
import time
import unittest

import pytest


class FastClock:
    """A clock whose sleeps take a hundredth of their time, so that back-offs stay testable."""

    def __init__(self):
        self.slept = []

    def now_s(self):
        return time.monotonic()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(seconds / 100)


@pytest.fixture(autouse=True)
def _swept(request):
    """Collect what earlier tests left before Hypothesis parses a machine's source.

    A collection in the midst of parsing that runs Python code, such as the log line of a future
    nobody waited for, ends Python 3.11's parser with a SystemError (its issue 106905). Delete it
    with the last Python that has it.
    """
    if isinstance(request.instance, unittest.TestCase):
        gc.collect()


@pytest.fixture
def clock():
    return FastClock()


@pytest.fixture
def eventually():
    """Return a coroutine that waits until a claim holds, and fails after five seconds."""

    async def wait(claim):
        async with asyncio.timeout(5):
            while not claim():
                await asyncio.sleep(0.002)

    return wait
