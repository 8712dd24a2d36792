import contextlib

import pytest

from tradewind_tools import airflow_api, report, runs, target
from tradewind_tools.errors import ToolError, WorkFailedError


class FakeAirflow:
    """A run that goes through `states`, one more at every look."""

    def __init__(self, *states, instances=()):
        self.states = list(states)
        self.instances = list(instances)
        self.triggered = []

    def find_dag(self, dag_id, **_):
        if dag_id != "tutorial":
            raise ToolError(airflow_api.unknown_dag(dag_id, known=["tutorial"]))

    def trigger(self, dag_id, *, conf):
        self.triggered.append((dag_id, conf))
        return "manual__1"

    def run(self, *_):
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, BaseException):
            raise state
        return {"state": state, "start_date": None, "end_date": None}

    def task_instances(self, *_):
        return self.instances

    def tries(self, instance):
        return [instance | {"try_number": number + 1} for number in range(instance["try_number"])]


def an_instance(task_id, *, try_number=1):
    return {
        "dag_id": "tutorial",
        "dag_run_id": "manual__1",
        "task_id": task_id,
        "map_index": -1,
        "try_number": try_number,
        "hostname": "",
        "queued_when": None,
        "start_date": None,
        "duration": None,
        "state": "success",
    }


class FakeRecorder(contextlib.nullcontext):
    """Knows a pod of task `extract`, and asks no cluster."""

    def __init__(self, *_, **__):
        super().__init__(self)

    def catch_up(self):
        self.is_complete = True

    def pods(self, *, run_ids):
        return list(run_ids)

    def places(self):
        assert self.is_complete, "asked before the record was complete"
        place = report.Place(pod="pod-1", node="node-a")
        return {report.key_of(an_instance("extract")): [place]}


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    monkeypatch.setattr(runs, "PodRecorder", FakeRecorder)
    monkeypatch.setattr(runs.time, "sleep", lambda _: None)


def a_finished_run(airflow, *, dag_id="tutorial", **options):
    return runs.run(target.resolve({}), airflow, dag_id=dag_id, options=runs.Options(**options))


def test_a_run_is_triggered_with_its_conf_and_followed_to_its_end():
    airflow = FakeAirflow("queued", "running", "success")
    assert a_finished_run(airflow, conf={"key": 1}).state == "success"
    assert airflow.triggered == [("tutorial", {"key": 1})]


def test_tasks_are_joined_with_their_recorded_pods():
    airflow = FakeAirflow("success", instances=[an_instance("extract"), an_instance("load")])
    places = {row.task: row.places for row in a_finished_run(airflow).tasks}
    assert places == {"extract": (report.Place(pod="pod-1", node="node-a"),), "load": ()}


def test_every_try_of_a_retried_task_is_a_row():
    airflow = FakeAirflow("success", instances=[an_instance("extract", try_number=2)])
    found = [(row.task, row.try_number, len(row.places)) for row in a_finished_run(airflow).tasks]
    assert found == [("extract", 1, 1), ("extract", 2, 0)]


def test_an_unknown_dag_is_refused_before_anything_is_triggered():
    airflow = FakeAirflow("success")
    with pytest.raises(ToolError, match="did you mean tutorial"):
        a_finished_run(airflow, dag_id="tutorail")
    assert airflow.triggered == []


def test_a_run_that_takes_too_long_is_said_to_go_on():
    with pytest.raises(WorkFailedError, match=r"still running after 0 s: it goes on"):
        a_finished_run(FakeAirflow("running"), timeout_s=0.0)


def test_an_interrupted_wait_says_that_the_run_goes_on(capsys):
    with pytest.raises(KeyboardInterrupt):
        a_finished_run(FakeAirflow(KeyboardInterrupt()))
    assert "run manual__1 of tutorial goes on in Airflow" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "[]", "3", ""])
def test_conf_must_be_a_json_object(text):
    with pytest.raises(ToolError, match="--conf"):
        runs.parse_conf(text)


def test_conf_is_read():
    assert runs.parse_conf('{"key": [1]}') == {"key": [1]}
