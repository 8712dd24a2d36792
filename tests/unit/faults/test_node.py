"""What the played node and worker do, and what they mark of it."""

import asyncio
import json
from collections import deque

import pytest
from node import Node
from plan import Play, Script

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.contract import Farewell
from tradewind.testing.builders import a_pod
from tradewind.testing.fake_airflow import FakeAirflow, Said, endpoint_says
from tradewind.watch.reflector import Change

TOKEN = json.dumps({"status": {"token": "eyJ.of-the-pod"}}).encode()
WORKLOAD = {"token": "eyJ.of-the-workload", "ti": {"id": "row-1", "map_index": 3, "try_number": 1}}
STEADY = {"task_s": (0.0, 0.0), "start_s": (0.0, 0.0)}


class ApiServer:
    """Remembers calls; answers with what a test prepared for the end of a path, in turn."""

    def __init__(self):
        self.calls = []
        self.prepared = {}

    @property
    def transport(self):
        return self

    async def call(self, method, path, *, body=None, content_type=""):
        self.calls.append((method, path.rpartition("/")[2], body))
        for end, answers in self.prepared.items():
            if path.endswith(end) and answers:
                raise answers.popleft()
        return TOKEN

    def statuses(self):
        return [body["status"] for _, end, body in self.calls if end == "status"]

    def of(self, method):
        return [end for how, end, _ in self.calls if how == method]


class Played:
    """One pod on a node."""

    def __init__(self, node, server, airflow, marks):
        self.node = node
        self.server = server
        self.airflow = airflow
        self.marks = marks
        said = {"dag_id": "d", "task_id": "work", "map_index": "3", "try_number": "1"}
        self.pod = a_pod(
            name="work-3", uid="u3", annotations=said, labels={"tradewind/launch-id": "launch-3"}
        )

    async def runs(self):
        async with self.node.open():
            self.node.on_change(Change(pod=self.pod))
            await asyncio.wait_for(asyncio.gather(*self.node._plays.values()), timeout=10)
        return [kind for kind, _ in self.marks]

    def farewell(self):
        (ended,) = self.server.statuses()[-1]["containerStatuses"]
        return Farewell.decode(ended["state"]["terminated"]["message"])


@pytest.fixture
def play(monkeypatch):
    """Return a function that puts a pod on a node for which a play was written."""
    monkeypatch.setattr("node.AGAIN_S", 0.01)
    with FakeAirflow().started() as airflow:
        airflow.boarding = deque([endpoint_says(200, WORKLOAD)])

        def make(**changed):
            server, marks = ApiServer(), []
            script = Script(name="s", seed="1", tasks=1, play=Play(**(STEADY | changed)))
            node = Node(
                server,
                namespace="faults",
                airflow_url=airflow.url,
                script=script,
                dag_id="d",
                tell=lambda source, kind, **fields: marks.append((kind, fields)),
            )
            return Played(node, server, airflow, marks)

        yield make


async def test_a_pod_is_bound_boards_starts_and_ends(play):
    played = play()
    assert await played.runs() == ["boarded", "start", "end"]
    assert dict(played.marks)["start"]["launch_id"] == "launch-3"
    assert dict(played.marks)["end"]["state"] == "success"
    assert played.server.of("POST") == ["binding", "token"]
    (board,) = played.airflow.of("POST", "/board")
    assert board.token == "eyJ.of-the-pod"
    (start,) = played.airflow.of("PATCH", "/task-instances/row-1/run")
    assert (start.token, start.body["hostname"]) == ("eyJ.of-the-workload", "work-3")
    (end,) = played.airflow.of("PATCH", "/state")
    assert end.body["state"] == "success"
    assert played.farewell().ended == "ran"


async def test_the_token_of_the_task_follows_that_of_the_workload(play):
    played = play()
    fresh = {"Refreshed-API-Token": "eyJ.of-the-task"}
    played.airflow.run = deque([Said(body=b"{}", headers=fresh)])
    await played.runs()
    assert played.airflow.of("PATCH", "/state")[0].token == "eyJ.of-the-task"


async def test_a_task_that_fails_says_so_and_ends_its_pod_well(play):
    played = play(fails=1)
    await played.runs()
    assert dict(played.marks)["end"]["state"] == "failed"
    assert played.airflow.of("PATCH", "/state")[0].body["state"] == "up_for_retry"
    assert played.farewell().ended == "ran"


async def test_a_pod_that_the_endpoint_turns_away_starts_nothing(play):
    played = play()
    played.airflow.boarding = deque([endpoint_says(409)])
    assert await played.runs() == ["refused"]
    assert played.farewell().ended == "superseded"
    assert played.airflow.of("PATCH", "/run") == []


@pytest.mark.parametrize(("status", "ended"), [(409, "superseded"), (403, "not_started")])
async def test_a_start_that_airflow_refuses_runs_nothing(play, status, ended):
    played = play()
    played.airflow.run = deque([Said(status=status, body=b"{}")])
    assert await played.runs() == ["boarded", "refused"]
    assert played.farewell().ended == ended


async def test_a_start_whose_answer_was_lost_is_asked_for_again_and_is_one_start(play):
    played = play()
    played.airflow.run = deque([Said(drops=True), Said(status=503), Said(body=b"{}")])
    assert await played.runs() == ["boarded", "start", "end"]
    assert len(played.airflow.of("PATCH", "/run")) == 3


async def test_the_kubelet_waits_for_its_api_server(play):
    played = play()
    played.server.prepared["/status"] = deque([ConnectionLostError("down"), ApiError(503)])
    assert await played.runs() == ["boarded", "start", "end"]
    assert [status["phase"] for status in played.server.statuses()].count("Running") == 3


@pytest.mark.parametrize(
    ("changed", "mark", "methods"),
    [
        ({"deleted_pending": 1}, "deleted", ["DELETE"]),
        ({"evicted_pending": 1}, "evicted", ["PATCH"]),
    ],
)
async def test_what_befalls_a_pending_pod_befalls_it_before_it_is_bound(
    play, changed, mark, methods
):
    played = play(**changed)
    assert await played.runs() == [mark]
    assert [method for method, *_ in played.server.calls] == methods


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "asked-to-go"])
async def test_a_pod_that_is_taken_away_stops_and_tells_nothing(play, gone):
    played = play(task_s=(60.0, 60.0))
    async with played.node.open():
        played.node.on_change(Change(pod=played.pod))
        while not any(kind == "start" for kind, _ in played.marks):
            await asyncio.sleep(0.01)
        leaving = a_pod(
            name="work-3",
            uid="u3",
            annotations=played.pod.metadata.annotations,
            deletionTimestamp="2026-01-01T00:00:00Z",
        )
        played.node.on_change(Change(pod=leaving, gone=gone))
        await asyncio.gather(*played.node._plays.values())
    assert [kind for kind, _ in played.marks] == ["boarded", "start", "stopped"]
    assert played.airflow.of("PATCH", "/state") == []
    assert played.server.of("DELETE") == ["work-3"]


async def test_pods_of_another_script_are_left_alone(play):
    played = play()
    other = a_pod(name="other", uid="u9", annotations={"dag_id": "earlier"})
    played.node.on_change(Change(pod=other))
    assert played.node._plays == {}


async def test_a_surprise_is_marked_so_that_the_run_fails(play):
    played = play()
    played.airflow.boarding = deque([endpoint_says(200, {"no": "workload"})])
    assert await played.runs() == ["broken"]
    assert "'ti'" in dict(played.marks)["broken"]["why"]
