import asyncio
import uuid
from types import MappingProxyType

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.dispatch import takeover
from tradewind.pods import labels
from tradewind.testing.builders import a_pod, a_task, base_ended, base_running
from tradewind.testing.fake_cluster import FakeCluster

pytestmark = [
    pytest.mark.usefixtures("delivery"),
    pytest.mark.parametrize("delivery", ["args", "boarding"], indirect=True),
]

TASK = a_task()
LAUNCH = uuid.UUID(int=5)


def theirs(name, *, task=TASK, status=None, created="2026-01-01T00:00:00Z"):
    return a_pod(
        name=name,
        status=status or base_running(),
        annotations=labels.annotations_for_task(task),
        creationTimestamp=created,
    )


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(a_task(try_number=2), id="another-try"),
        pytest.param(a_task(map_index=0), id="a-mapped-sibling"),
        pytest.param(a_task(run_id="manual__2"), id="another-run"),
        pytest.param(a_task(task_id="other"), id="another-task"),
    ],
)
def test_a_pod_of_something_else_is_not_chosen(task):
    assert takeover.choose([theirs("a", task=task)], {TASK: LAUNCH}) == {}


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({}, id="none"),
        pytest.param({"dag_id": "etl"}, id="incomplete"),
        pytest.param(labels.annotations_for_task(TASK) | {"try_number": "x"}, id="no-number"),
    ],
)
def test_a_pod_that_names_no_try_is_not_chosen(annotations):
    assert takeover.choose([a_pod(annotations=annotations)], {TASK: LAUNCH}) == {}


def test_of_several_pods_one_that_still_runs_goes_first():
    ended = theirs("ended", status=base_ended(1), created="2026-01-01T00:00:09Z")
    running = theirs("running", created="2026-01-01T00:00:01Z")
    for pods in ([ended, running], [running, ended]):
        assert takeover.choose(pods, {TASK: LAUNCH}) == {LAUNCH: running}


def test_of_several_running_pods_the_youngest_goes_first():
    old = theirs("old", created="2026-01-01T00:00:01Z")
    young = theirs("young", created="2026-01-01T00:00:09Z")
    assert takeover.choose([young, old], {TASK: LAUNCH}) == {LAUNCH: young}


class World:
    """Upstream's pods in a cluster in memory."""

    def __init__(self):
        self.cluster = FakeCluster()

    async def put(self, name, *, task=TASK, **more):
        found_by = labels.of_task(task) | {"kubernetes_executor": "True"} | more
        await self.cluster.create_pod(
            "tasks",
            {
                "metadata": {
                    "name": name,
                    "labels": found_by,
                    "annotations": labels.annotations_for_task(task),
                }
            },
        )

    async def take(self, wanted=MappingProxyType({TASK: LAUNCH})):
        return await takeover.take_over(
            self.cluster, wanted, namespaces=["tasks"], page_size=1, scheduler="7"
        )


@pytest.fixture
def world():
    return World()


async def test_the_pod_gets_the_launch_id_and_its_new_schedulers_number(world):
    await world.put("theirs", **{"airflow-worker": "3"})
    await world.put("others", task=a_task(task_id="other"))
    taken = await world.take()
    assert taken[str(LAUNCH)].metadata.name == "theirs"
    found = world.cluster.raw("tasks", "theirs")["metadata"]["labels"]
    assert found[labels.LAUNCH_ID] == str(LAUNCH)
    assert found["airflow-worker"] == "7"
    assert found["dag_id"] == TASK.dag_id
    assert labels.LAUNCH_ID not in world.cluster.raw("tasks", "others")["metadata"]["labels"]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({labels.LAUNCH_ID: "x"}, id="ours-already"),
        pytest.param({"airflow_executor_done": "True"}, id="upstream-is-done-with-it"),
    ],
)
async def test_a_pod_that_is_nobodys_orphan_is_left_alone(world, extra):
    await world.put("pod", **extra)
    assert await world.take() == {}


async def test_nothing_is_asked_when_nothing_is_wanted(world):
    assert await world.take({}) == {}
    assert world.cluster.calls == []


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        ("list", ConnectionLostError("reset")),
        ("list", ApiError(403, reason="Forbidden", message="no")),
        ("patch", ApiError(403, reason="Forbidden", message="no patch right")),
        ("patch", ApiError(422, reason="Invalid", message="another uid")),
    ],
)
async def test_a_refusal_takes_nothing_over_and_does_not_raise(world, verb, error):
    await world.put("theirs")
    world.cluster.fail(verb, error)
    assert await world.take() == {}


async def test_an_adopted_pod_is_signed_once(world):
    await world.put("ours", **{labels.LAUNCH_ID: str(LAUNCH), "airflow-worker": "3"})
    for _ in range(2):
        pod = await world.cluster.get_pod("tasks", "ours")
        await takeover.sign(world.cluster, [pod], scheduler="7")
    assert pod.metadata.labels["airflow-worker"] == "7"
    assert world.cluster.count("patch") == 1


async def test_a_pod_that_cannot_be_signed_is_followed_all_the_same(world):
    await world.put("ours")
    world.cluster.fail("patch", ApiError(404, reason="NotFound", message="gone"))
    pod = await world.cluster.get_pod("tasks", "ours")
    await takeover.sign(world.cluster, [pod], scheduler="7")
    assert "airflow-worker" not in world.cluster.raw("tasks", "ours")["metadata"]["labels"]


async def test_thousands_of_pods_are_signed_by_a_few_tasks():
    cluster, tasks = FakeCluster(), []
    pods = [
        await cluster.create_pod("tasks", {"metadata": {"name": f"p{number}"}, "spec": {}})
        for number in range(200)
    ]
    patch_pod = cluster.patch_pod

    async def patched(*arguments):
        tasks.append(len(asyncio.all_tasks()))
        return await patch_pod(*arguments)

    cluster.patch_pod = patched
    before = len(asyncio.all_tasks())
    await takeover.sign(cluster, pods, scheduler="7")
    assert len(tasks) == len(pods)
    assert max(tasks) <= before + 16
