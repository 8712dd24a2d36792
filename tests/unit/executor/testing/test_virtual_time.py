import asyncio
import threading
import time

import pytest

from tradewind.testing import virtual_time


def test_hours_pass_at_once_and_in_order():
    order = []

    async def wake(after_s):
        await asyncio.sleep(after_s)
        order.append((asyncio.get_running_loop().time(), after_s))

    async def main():
        await asyncio.gather(wake(7200), wake(1), wake(60))
        return asyncio.get_running_loop().time()

    began_s = time.monotonic()
    assert virtual_time.run(main()) == 7200
    assert time.monotonic() - began_s < 5
    assert order == [(1, 1), (60, 60), (7200, 7200)]


def test_the_clock_tells_the_loops_time():
    clock = virtual_time.VirtualClock()

    async def main():
        called = asyncio.Event()
        clock.call_later(30, called.set)
        began_utc_s = clock.utc_s()
        await called.wait()
        await clock.sleep(30)
        return clock.now_s(), clock.utc_s() - began_utc_s

    assert virtual_time.run(main()) == (60, 60)


def test_timeouts_are_virtual_too():
    async def main():
        async with asyncio.timeout(3600):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        virtual_time.run(main())


def test_a_program_that_can_never_go_on_is_an_error_not_a_hang():
    async def main():
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is left"):
        virtual_time.run(main())


def test_work_for_threads_runs_in_the_loops_own():
    async def main():
        return await asyncio.to_thread(threading.get_ident)

    assert virtual_time.run(main()) == threading.get_ident()


def test_what_such_work_raises_is_raised_where_it_is_awaited():
    def fail():
        raise ValueError("surprise")

    with pytest.raises(ValueError, match="surprise"):
        virtual_time.run(asyncio.to_thread(fail))


def test_a_claim_that_never_holds_ends_after_virtual_time():
    with pytest.raises(TimeoutError):
        virtual_time.run(virtual_time.eventually(lambda: False, within_s=900))
