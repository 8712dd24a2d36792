"""Unit tier: no cluster, no network, no sleeping longer than a moment."""

import asyncio
import time

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
