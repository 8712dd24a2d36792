"""The thread boundary: real threads, engines that misbehave. No cluster, no waiting."""

import asyncio
import contextlib
import threading
import uuid

import pytest

from tradewind import bridge as bridge_module
from tradewind.bridge import Bridge
from tradewind.dispatch.engine import Orphan
from tradewind.errors import ConfigError
from tradewind.testing.builders import a_launch


class Engine:
    """Notes what it is told; `adopt` does what a test wants."""

    def __init__(self, adopt=None):
        self.told = []
        self.news = threading.Event()
        self._adopt = adopt

    async def run(self):
        await asyncio.Event().wait()

    def submit(self, launch):
        self._note("submit", launch)

    def revoke(self, launch_id):
        self._note("revoke", launch_id)

    def trust(self, orphans):
        self._note("trust", orphans)

    async def adopt(self, orphans):
        return await self._adopt(orphans)

    def _note(self, *what):
        self.told.append(what)
        self.news.set()
        if what[1] is None:
            raise RuntimeError("surprise")


@contextlib.contextmanager
def started(engine):
    bridge = Bridge(lambda emit: engine)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.stop()


def an_orphan():
    return Orphan(key="k", launch_id=uuid.uuid4(), row_id=uuid.uuid4())


def test_commands_reach_the_engine_on_the_loop_thread():
    engine, launch = Engine(), a_launch()
    with started(engine) as bridge:
        bridge.submit([launch])
        assert engine.news.wait(5)
    assert engine.told == [("submit", launch)]


def test_many_launches_wake_the_loop_once(monkeypatch):
    engine, launches = Engine(), [a_launch() for _ in range(50)]
    with started(engine) as bridge:
        woken, wake = [], bridge._loop.call_soon_threadsafe
        monkeypatch.setattr(
            bridge._loop, "call_soon_threadsafe", lambda *call: (woken.append(call), wake(*call))
        )
        bridge.submit(launches)
        while len(engine.told) < len(launches):
            assert engine.news.wait(5)
            engine.news.clear()
        monkeypatch.undo()
    assert engine.told == [("submit", launch) for launch in launches]
    assert len(woken) == 1


def test_a_launch_that_fails_takes_no_other_along():
    engine, launches = Engine(), [a_launch(), None, a_launch()]
    with started(engine) as bridge:
        bridge.submit(launches)
        while len(engine.told) < len(launches):
            assert engine.news.wait(5)
            engine.news.clear()
    assert engine.told == [("submit", launch) for launch in launches]


def test_a_command_that_fails_ends_nothing():
    engine = Engine()
    with started(engine) as bridge:
        bridge.revoke(None)
        launch = a_launch()
        bridge.submit([launch])
        while ("submit", launch) not in engine.told:
            assert engine.news.wait(5)
            engine.news.clear()
        assert bridge.is_alive


def test_orphans_without_a_pod_are_returned():
    orphans = [an_orphan(), an_orphan()]

    async def adopt(offered):
        return offered[1:]

    with started(Engine(adopt)) as bridge:
        assert bridge.adopt(orphans, wait_s=5) == orphans[1:]


async def never(orphans):
    await asyncio.Event().wait()


async def explode(orphans):
    raise RuntimeError("surprise")


async def give_up(orphans):
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "adopt", [never, explode, give_up], ids=["takes-too-long", "fails", "is-cancelled"]
)
def test_adoption_that_does_not_work_out_trusts_and_never_raises(adopt, monkeypatch):
    monkeypatch.setattr(bridge_module, "_ADOPTION_SLACK_S", 0.01)
    engine, orphan = Engine(adopt), an_orphan()
    with started(engine) as bridge:
        assert bridge.adopt([orphan], wait_s=0) == []
        assert engine.news.wait(5)
    assert engine.told == [("trust", [orphan])]


def test_before_the_start_every_orphan_is_returned():
    orphan = an_orphan()
    assert Bridge(lambda emit: Engine()).adopt([orphan], wait_s=0) == [orphan]


def test_an_engine_that_cannot_be_built_is_told_to_whoever_starts_it():
    def refuse(emit):
        raise ConfigError("no kubeconfig")

    with pytest.raises(ConfigError, match="no kubeconfig"):
        Bridge(refuse).start()


def test_outcomes_are_drained_once_and_in_order():
    outcomes = []

    def build(emit):
        outcomes.append(emit)
        return Engine()

    bridge = Bridge(build)
    bridge.start()
    try:
        for number in range(3):
            outcomes[0](number)
        assert bridge.drain() == [0, 1, 2]
        assert bridge.drain() == []
    finally:
        bridge.stop()


def test_a_dead_loop_is_told_and_takes_commands_in_silence():
    class Dying(Engine):
        async def run(self):
            raise RuntimeError("out of memory")

    bridge = Bridge(lambda emit: Dying())
    bridge.start()
    bridge._thread.join(5)
    assert not bridge.is_alive
    bridge.submit([a_launch()])
    bridge.stop()


def test_a_bridge_that_was_never_started_has_no_thread_and_no_figures():
    before = threading.active_count()
    bridges = [Bridge(lambda emit: Engine()) for _ in range(100)]
    assert threading.active_count() == before
    assert bridges[0].stats() is None
    bridges[0].stop()
