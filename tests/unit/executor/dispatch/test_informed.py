"""What the database knows of a launch reaches its pod, and is asked for only where it matters."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tradewind.dispatch.informed import MOST_VERSIONS, InformedRenderer
from tradewind.testing.builders import a_launch, a_task, settings

ON = {"oom_memory_factor": "2", "oom_memory_cap": "4Gi"}


class Database:
    """Plays `hooks.Records`, and notes what was asked."""

    def __init__(self):
        self.asked = []
        self.failures = []

    def oom_kills(self, task):
        self.asked.append(("oom_kills", task.try_number))
        if self.failures:
            raise self.failures.pop()
        return 2

    def execution_timeouts(self, dag_version_id):
        self.asked.append(("execution_timeouts", dag_version_id))
        if self.failures:
            raise self.failures.pop()
        return {"load": 600.0}


class Rendered:
    """Plays the renderer: keeps the launches it was given."""

    def __init__(self):
        self.launches = []

    async def render(self, launch, *, ordinal):
        self.launches.append(launch)
        return {"ordinal": ordinal}


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def rendered():
    return Rendered()


@pytest.fixture
def informed(database, rendered):
    def build(**options):
        threads = ThreadPoolExecutor(1)
        return InformedRenderer(
            rendered, records=database, settings=settings(**options), threads=threads
        )

    return build


@pytest.mark.parametrize(
    ("options", "try_number", "kills", "asked"),
    [
        pytest.param(ON, 3, 2, [("oom_kills", 3)], id="a-later-try"),
        pytest.param(ON, 1, 0, [], id="a-first-try-has-no-past"),
        pytest.param({}, 3, 0, [], id="memory-is-not-raised"),
    ],
)
async def test_earlier_kills_for_memory(
    informed, rendered, database, options, try_number, kills, asked
):
    launch = a_launch(task=a_task(try_number=try_number))
    assert await informed(**options).render(launch, ordinal=1) == {"ordinal": 1}
    assert rendered.launches[0].oom_kills == kills
    assert database.asked == asked


async def test_timeouts_are_read_once_for_a_version_of_a_dag(informed, rendered, database):
    version, other = uuid.uuid4(), uuid.uuid4()
    renderer = informed()
    tasks = [a_task(), a_task(map_index=3), a_task(task_id="no-timeout")]
    launches = [a_launch(task=task, dag_version_id=version) for task in tasks]
    await asyncio.gather(*(renderer.render(launch, ordinal=0) for launch in launches))
    await renderer.render(a_launch(dag_version_id=other), ordinal=0)
    assert [launch.timeout_s for launch in rendered.launches] == [600.0, 600.0, None, 600.0]
    assert database.asked == [("execution_timeouts", version), ("execution_timeouts", other)]


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        pytest.param({"running_limit": "False"}, {"dag_version_id": uuid.uuid4()}, id="off"),
        pytest.param({}, {"dag_version_id": None}, id="an-unknown-version"),
        pytest.param(
            ON,
            {"dag_version_id": uuid.uuid4(), "reports_itself": False},
            id="a-callback-has-no-task-instance",
        ),
    ],
)
async def test_nothing_is_read_where_nothing_depends_on_it(
    informed, rendered, database, options, changed
):
    await informed(**options).render(a_launch(timeout_s=7.0, **changed), ordinal=0)
    assert rendered.launches[0].timeout_s == 7.0
    assert not database.asked


async def test_what_cannot_be_read_is_done_without_and_read_again(informed, rendered, database):
    database.failures = [RuntimeError("down"), RuntimeError("down")]
    renderer = informed(**ON)
    launch = a_launch(task=a_task(try_number=2), dag_version_id=uuid.uuid4())
    for _ in range(2):
        await renderer.render(launch, ordinal=0)
    first, second = rendered.launches
    assert (first.timeout_s, first.oom_kills) == (None, 0)
    assert (second.timeout_s, second.oom_kills) == (600.0, 2)


async def test_a_database_that_hangs_does_not_keep_pods_from_their_tasks(
    informed, rendered, monkeypatch
):
    renderer = informed(**ON)
    monkeypatch.setattr(renderer, "_read", lambda *_: asyncio.get_running_loop().create_future())
    launch = a_launch(task=a_task(try_number=2), dag_version_id=uuid.uuid4())
    await renderer.render(launch, ordinal=0)
    assert (rendered.launches[0].timeout_s, rendered.launches[0].oom_kills) == (None, 0)


async def test_only_so_many_versions_are_remembered(informed, database):
    renderer = informed()
    first = uuid.uuid4()
    for version in [first, *(uuid.uuid4() for _ in range(MOST_VERSIONS)), first]:
        await renderer.render(a_launch(dag_version_id=version), ordinal=0)
    assert len(renderer._timeouts) == MOST_VERSIONS
    assert database.asked.count(("execution_timeouts", first)) == 2
