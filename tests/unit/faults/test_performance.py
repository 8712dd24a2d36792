"""The course of a script, on a stage whose programs only remember what was done to them."""

import asyncio
from typing import ClassVar

import performance
import pytest
from performance import Performance
from plan import Disturbance, Script
from stage import Journal

from tradewind.testing.fake_cluster import FakeCluster

ALIVE = (1, 0)


class Program:
    def __init__(self, *, runs=True):
        self.done = []
        self.is_running = runs
        self.exits = []

    def is_alive(self):
        return self.is_running

    def ended_by_itself(self):
        return self.exits.pop() if self.exits else None

    def __getattr__(self, name):
        if name not in {"start", "stop", "go_on", "kill"}:
            raise AttributeError(name)

        def act():
            self.done.append(name)
            self.is_running = name != "kill"

        return act


class Proxy:
    def __init__(self):
        self.played = []

    def play(self, script, *, began_s):
        self.played.append(script and script.name)


class Gauges:
    def __init__(self):
        self.running = {"scheduler": 0.0, "other-scheduler": 0.0}


class Kept(dict):
    def clear(self):
        """Schedulers go on telling, as far as these tests are concerned."""


class Logs:
    def secrets(self):
        return [{"at_s": 1.0, "source": "log", "kind": "secret", "where": "the log"}]


class Stage:
    def __init__(self, folder):
        self.folder = folder
        self.journal = Journal()
        names = ("scheduler", "other-scheduler", "etcd")
        self.programs = {name: Program(runs=name != "other-scheduler") for name in names}
        self.proxies = {"scheduler": Proxy()}
        self.gauges = Gauges()
        self.gauges.running = Kept(self.gauges.running)
        self.logs = Logs()
        self.cluster = Cluster()
        self.audit_log = folder / "audit.log"
        self.audit_log.write_text("")
        self.living = [ALIVE]
        self.statements = []
        self.airflow = self

    url = "http://127.0.0.1:1"

    def tell(self, source, kind, **fields):
        self.journal.tell(source, kind, **fields)

    def make_rows(self, dag_id, script, *, retries):
        self.dag_id = dag_id

    def database(self):
        return self

    def cursor(self):
        return self

    def close(self):
        """Nothing is open."""

    def execute(self, statement, arguments=()):
        self.statements.append((statement.split()[0], arguments))

    def fetchone(self):
        return self.living.pop(0) if len(self.living) > 1 else self.living[0]

    def kinds(self):
        return [record["kind"] for record in self.journal.records]


class Cluster(FakeCluster):
    """Remembers deletes that are no `Cluster`'s business."""

    def __init__(self):
        super().__init__()
        self.asked = []

    @property
    def transport(self):
        return self

    async def call(self, method, path, *, body):
        self.asked.append((method, path.rpartition("/")[2]))


class Sampler:
    """Sees every task end at once, or none."""

    states: ClassVar = {}

    def __init__(self, *, connect, dag_id, tell):
        self.states = dict(type(self).states)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing runs."""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    for name, value in (("LOOKS_EVERY_S", 0.001), ("QUIET_S", 0.005), ("SETTLES_WITHIN_S", 0.3)):
        monkeypatch.setattr(performance, name, value)
    monkeypatch.setattr(performance, "Sampler", Sampler)
    monkeypatch.setattr(Sampler, "states", {0: "success", 1: "success"})
    return Stage(tmp_path)


def a_script(*blows, **more):
    return Script(**({"name": "made-up", "seed": "1", "tasks": 2, "disturbances": blows} | more))


async def play(stage, script):
    ended = []
    records = await Performance(stage, script, on_progress=ended.append).play()
    return records, ended


async def test_a_script_without_faults_begins_heals_and_is_over(stage):
    records, ended = await play(stage, a_script())
    assert stage.kinds() == ["begin", "healed", "pods", "over"]
    assert [record["kind"] for record in records] == [*stage.kinds(), "secret"]
    assert set(ended) == {2}
    assert stage.proxies["scheduler"].played == ["made-up", None]
    assert stage.programs["scheduler"].done == []
    assert stage.statements == [("SELECT", ())]


@pytest.mark.parametrize(
    ("blow", "done", "told"),
    [
        ("kill", ["kill", "start"], ["killed", "started"]),
        ("stop", ["stop", "go_on"], ["stopped", "went-on"]),
    ],
)
async def test_a_program_that_is_hit_comes_back(stage, blow, done, told):
    hit = Disturbance(target="etcd", blow=blow, at_s=0.01, for_s=0.01)
    await play(stage, a_script(hit))
    assert stage.programs["etcd"].done == done
    kinds = stage.kinds()
    # When all is healed depends on the clock alone, which a busy machine does not wait for.
    kinds.remove("healed")
    assert kinds == ["begin", *told, "pods", "over"]


async def test_a_program_that_ends_by_itself_is_started_and_told(stage):
    stage.programs["scheduler"].exits = [1]
    stage.gauges.running["scheduler"] = 1.0
    playing = asyncio.create_task(play(stage, a_script()))
    # The play is not to be over before a busy machine came to look.
    while stage.programs["scheduler"].done != ["start"] and not playing.done():
        await asyncio.sleep(0.001)
    stage.gauges.running["scheduler"] = 0.0
    await playing
    assert stage.programs["scheduler"].done == ["start"]
    (exited,) = [record for record in stage.journal.records if record["kind"] == "exited"]
    assert (exited["name"], exited["code"]) == ("scheduler", 1)


async def test_the_other_scheduler_lives_for_its_script_alone(stage):
    stage.living = [(2, 0)]
    await play(stage, a_script(schedulers=2))
    assert stage.programs["other-scheduler"].done == ["start", "kill"]


async def test_nothing_begins_while_a_dead_scheduler_counts_as_alive(stage):
    stage.living = [(2, 1), (1, 1), ALIVE]
    await play(stage, a_script())
    assert stage.statements == [("SELECT", ())] * 3


async def test_what_came_to_no_end_is_given_up(stage, monkeypatch):
    monkeypatch.setattr(Sampler, "states", {0: "success", 1: "running"})
    manifest = {"metadata": {"name": "left", "labels": {"kubernetes_executor": "True"}}}
    await stage.cluster.create_pod(performance.NAMESPACE, manifest)
    records, _ = await play(stage, a_script())
    (look,) = [record for record in records if record["kind"] == "pods"]
    assert look["names"] == ["left"]
    assert [word for word, _ in stage.statements] == ["SELECT", "UPDATE", "UPDATE"]
    assert stage.statements[1][1] == (stage.dag_id,)
    assert stage.cluster.asked == [("DELETE", "left")]


async def test_a_task_that_runs_by_the_executors_count_is_waited_for(stage):
    stage.gauges.running["scheduler"] = 1.0
    playing = asyncio.create_task(play(stage, a_script()))
    await asyncio.sleep(0.05)
    assert not playing.done()
    stage.gauges.running["scheduler"] = 0.0
    await playing
    assert [word for word, _ in stage.statements] == ["SELECT"]
