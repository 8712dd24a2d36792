import pytest

from tradewind.errors import ConfigError
from tradewind.supervision import MOST_BACKOFF_S, STABLE_AFTER_S, Loop
from tradewind.testing.builders import a_launch


class ManualClock:
    def __init__(self):
        self.time_s = 1000.0

    def now_s(self):
        return self.time_s


class MortalBridge:
    def __init__(self, fails=False):
        self.is_alive = False
        self.fails = fails
        self.resumed = None
        self.submitted = []
        self.stopped = False

    def start(self):
        if self.fails:
            raise ConfigError("no credentials: mount them")
        self.is_alive = True

    def stop(self):
        self.is_alive = False
        self.stopped = True

    def submit(self, launches):
        self.submitted += launches

    def resume(self, launches):
        self.resumed = launches

    def drain(self):
        return []


class World:
    """A loop whose bridges the test kills, and a clock that it turns."""

    def __init__(self):
        self.bridges = []
        self.fails = False
        self.clock = ManualClock()
        self.loop = Loop(self._make, clock=self.clock)
        self.launches = [a_launch()]

    def _make(self):
        self.bridges.append(MortalBridge(self.fails))
        return self.bridges[-1]

    def die(self):
        self.bridges[-1].is_alive = False
        self.loop.revive(self.launches)

    def waits(self):
        """Return the seconds until a new loop runs."""
        began_s = self.clock.time_s
        while not self.loop.is_alive:
            self.clock.time_s += 0.5
            self.loop.revive(self.launches)
        return self.clock.time_s - began_s


@pytest.fixture
def world():
    world = World()
    world.loop.start()
    return world


def test_a_dead_loop_is_replaced_at_once_and_gets_the_launches(world):
    world.die()
    assert world.loop.is_alive
    assert world.bridges[-1].resumed == world.launches


def test_deaths_in_a_row_are_replaced_ever_more_slowly_up_to_a_minute(world):
    waits = []
    for _ in range(9):
        world.die()
        waits.append(world.waits())
    assert waits == [0, 1, 2, 4, 8, 16, 32, MOST_BACKOFF_S, MOST_BACKOFF_S]


def test_a_loop_that_lived_long_is_replaced_at_once_again(world):
    world.die()
    world.clock.time_s += STABLE_AFTER_S
    world.die()
    assert world.waits() == 0


def test_a_loop_that_cannot_start_is_tried_again(world):
    world.fails = True
    world.die()
    assert not world.loop.is_alive
    world.fails = False
    assert world.waits() > 0
    assert world.bridges[-1].resumed == world.launches


def test_a_launch_waits_while_there_is_no_loop(world):
    world.bridges[-1].is_alive = False
    world.loop.submit([a_launch()])
    assert world.bridges[-1].submitted == []


def test_a_stopped_loop_stays_stopped(world):
    world.loop.stop()
    world.loop.revive(world.launches)
    assert len(world.bridges) == 1
    assert world.bridges[0].stopped


def test_a_loop_that_never_started_is_not_revived():
    world = World()
    world.loop.revive([])
    world.loop.stop()
    assert world.bridges == []


def test_the_first_start_says_what_is_missing():
    world = World()
    world.fails = True
    with pytest.raises(ConfigError, match="mount them"):
        world.loop.start()
