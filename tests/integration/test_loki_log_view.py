"""Airflow's own log view over its database models and a real Loki."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow import logging_config
from airflow.models.taskinstance import TaskInstance
from airflow.utils.log.file_task_handler import FileTaskHandler
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from loki_server import loki
from scheduler_side import a_row
from test_loki import Task, event

from tradewind import task_logs
from tradewind.log_view import PodLog
from tradewind.logs.settings import LokiSettings
from tradewind.loki_log import LokiLog

__all__ = ["loki"]

pytestmark = [pytest.mark.timeout(3600), pytest.mark.usefixtures("database")]


class Executor:
    """Has a pod's live log, and leaves it out as ours does."""

    def get_task_log(self, ti, try_number):
        if (told := task_logs.tail(ti, try_number=try_number, settings=None))[0][0].startswith(
            "The pod's own output"
        ):
            return told
        return ["the pod"], ["from the pod\n"]


@pytest.fixture
def view(monkeypatch, tmp_path):
    """Return a function that gives the events of a try's log as Airflow shows it."""
    handler = FileTaskHandler(str(tmp_path / "api-server"))
    monkeypatch.setattr(FileTaskHandler, "executor_instances", {"_default_executor": Executor()})

    def read(row, settings):
        log = PodLog(LokiLog(settings, folder=str(tmp_path)))
        config = SimpleNamespace(logging_config_loaded=True, remote_task_log=log)
        monkeypatch.setattr(logging_config, "_ActiveLoggingConfig", config)
        stream, _ = handler.read(row, 1)
        events = [line.event for line in stream]
        return events[events.index("::endgroup::") + 1 :]

    read.path = lambda row: handler._render_filename(row, 1)
    return read


@pytest.fixture
def row(request):
    """Return a task instance of the state that the test asks for, begun an hour ago."""
    ti = a_row()
    now = datetime.now(UTC)
    with create_session() as session:
        row = session.get(TaskInstance, ti.id)
        row.state = request.param
        row.start_date = now - timedelta(hours=1)
        row.end_date = None if request.param == TaskInstanceState.RUNNING else now
        session.commit()
        yield row


STATES = [TaskInstanceState.RUNNING, TaskInstanceState.FAILED, TaskInstanceState.SUCCESS]


@pytest.mark.parametrize("row", STATES, indirect=True)
def test_every_line_is_shown_once_and_in_order_without_a_pod(loki, view, row, tmp_path):
    task = Task(tmp_path / "worker", loki.settings(), view.path(row))
    task.write(*(event(f"line {n}", n=n) for n in range(6000)))
    assert task.end() == 0
    assert view(row, loki.settings()) == [f"line {n}" for n in range(6000)]


@pytest.mark.parametrize("row", [TaskInstanceState.RUNNING], indirect=True)
def test_a_running_task_that_has_no_line_in_loki_shows_its_pod(loki, view, row):
    assert view(row, loki.settings()) == ["from the pod"]


@pytest.mark.parametrize("row", [TaskInstanceState.RUNNING], indirect=True)
def test_a_loki_that_is_away_is_the_first_line_and_the_pod_follows(view, row):
    first, *others = view(row, LokiSettings(url="http://127.0.0.1:9"))
    assert first.startswith("The stored log cannot be read now")
    assert "Loki at http://127.0.0.1:9 does not answer: ConnectError" in first
    assert others == ["from the pod"]


@pytest.mark.parametrize("row", [TaskInstanceState.FAILED], indirect=True)
def test_a_loki_that_is_away_is_told_of_a_task_that_is_over_too(view, row):
    (first,) = view(row, LokiSettings(url="http://127.0.0.1:9"))
    assert first.startswith("The stored log cannot be read now")
