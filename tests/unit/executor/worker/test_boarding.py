import random
from pathlib import Path

import pytest

from tradewind import contract
from tradewind.errors import ConfigError
from tradewind.worker.answers import Answer, End, Run
from tradewind.worker.boarding import Settings, board

NOT_YET = Answer(status=204, ours=True)
DOWN = Answer(detail="refused")
PAGE = Answer(status=200, body=b"<html>")
LAUNCH = Answer(status=200, ours=True, body=b"{}")


class World:
    """A scripted endpoint and a clock that only sleeping and holding moves."""

    url = "http://airflow/board"

    def __init__(self, *answers, hold_takes=0.0):
        self.answers = list(answers)
        self.hold_takes = hold_takes
        self.now = 0.0
        self.holds = []
        self.slept = []
        self.told = []

    def ask(self, *, hold_s):
        self.holds.append(hold_s)
        self.now += self.hold_takes * hold_s
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def boards(self, **settings):
        return board(
            self,
            a_pod(**settings),
            tell=self.told.append,
            rng=random.Random(1),
            now_s=lambda: self.now,
            sleep=self.sleep,
        )


def a_pod(budget_s=None, hold_s=25.0):
    return Settings(
        url=World.url, token_file=Path("t"), template="h", budget_s=budget_s, hold_s=hold_s
    )


def test_an_idle_pod_asks_until_it_is_claimed():
    world = World(*[NOT_YET] * 3, LAUNCH)
    assert world.boards() == Run(workload=b"{}")
    assert world.slept == [0.0] * 3
    assert world.told == []


def test_holds_are_jittered_by_a_fifth():
    world = World(*[NOT_YET] * 200, LAUNCH)
    world.boards()
    assert 20.0 <= min(world.holds) < 21.0
    assert 29.0 < max(world.holds) <= 30.0


def test_a_pod_of_one_launch_is_not_held_beyond_its_budget():
    world = World(NOT_YET, hold_takes=1.0)
    end = world.boards(budget_s=60)
    assert (end.exit_code, world.now) == (75, 60.0)
    assert sum(world.holds) == 60.0


def test_an_idle_pod_outlives_a_server_that_is_down_for_long():
    world = World(*[DOWN] * 1000, LAUNCH)
    assert world.boards() == Run(workload=b"{}")
    assert world.now > 2000


def test_a_pod_of_one_launch_ends_when_the_server_stays_down():
    end = World(DOWN).boards(budget_s=120)
    assert (end.exit_code, end.ended) == (contract.EXIT_NOT_STARTED, "not_started")
    assert "cannot be reached: refused" in end.reason


def test_a_superseded_pod_ends_well():
    end = World(NOT_YET, Answer(status=409, ours=True)).boards()
    assert isinstance(end, End)
    assert (end.exit_code, end.ended) == (contract.EXIT_DONE, "superseded")


def test_a_reason_is_told_once_while_it_lasts_and_again_when_it_is_back():
    world = World(DOWN, DOWN, PAGE, PAGE, DOWN, LAUNCH)
    world.boards()
    assert ["reached" in told for told in world.told] == [True, False, True]


def test_what_the_environment_says():
    environment = {
        contract.ENV_URL: "https://airflow:8080/tradewind/v1/board",
        contract.ENV_TOKEN_FILE: "/somewhere/token",
        contract.ENV_TEMPLATE: "abc",
        contract.ENV_BUDGET: "900",
        contract.ENV_HOLD: "12.5",
    }
    assert Settings.of(environment) == Settings(
        url="https://airflow:8080/tradewind/v1/board",
        token_file=Path("/somewhere/token"),
        template="abc",
        budget_s=900.0,
        hold_s=12.5,
    )


def test_an_idle_pods_environment_needs_an_address_alone():
    settings = Settings.of({contract.ENV_URL: "http://airflow/board"})
    assert (settings.budget_s, settings.hold_s) == (None, 25.0)
    assert settings.token_file == Path(contract.TOKEN_FILE)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "TRADEWIND_BOARD_URL is ''"),
        ({contract.ENV_URL: "airflow:8080"}, "TRADEWIND_BOARD_URL is 'airflow:8080'"),
        ({contract.ENV_URL: "http://a/", contract.ENV_BUDGET: "soon"}, "BUDGET is 'soon'"),
        ({contract.ENV_URL: "http://a/", contract.ENV_HOLD: "x"}, "HOLD is 'x'"),
    ],
)
def test_a_bad_environment_is_named(environment, words):
    with pytest.raises(ConfigError, match=words):
        Settings.of(environment)
