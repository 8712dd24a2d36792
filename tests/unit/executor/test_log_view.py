"""What the log view of a task shows besides its log."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow._shared.logging.remote import RemoteLogStreamIO, discover_remote_log_handler
from airflow._shared.module_loading import import_string
from airflow.config_templates import airflow_local_settings
from airflow.logging_config import _get_logging_config

from tradewind import log_view, task_history
from tradewind.log_view import PodLog
from tradewind.task_history import AuditRow

NAME = "tradewind.log_view.LOGGING_CONFIG"
PATH = "dag_id=etl/attempt=1.log"
FAILED = AuditRow(at="2026-01-01T00:00:09+00:00", event="pod failed", text="OOMKilled; raise it")
WAITS = AuditRow(at="2026-01-01T00:00:01+00:00", event="pod pending", text="no node has room")
LOG = AuditRow(
    at="2026-01-01T00:00:10+00:00", event="pod log", text='{"event": "allocating"}\nKilled'
)


class Remote:
    processors = ("a processor",)

    def __init__(self, *lines):
        self.lines = lines
        self.uploaded = []

    def upload(self, path, ti=None):
        self.uploaded.append(path)


class Streaming(Remote):
    def stream(self, relative_path, ti):
        return ["remote"], [(line for line in self.lines)] if self.lines else []


class Reading(Remote):
    def read(self, relative_path, ti):
        return ["remote"], ["\n".join(self.lines)] if self.lines else None


@pytest.fixture
def ti():
    return SimpleNamespace(dag_id="etl", task_id="load", try_number=2, state="failed")


@pytest.fixture
def rows(monkeypatch):
    rows = []
    asked = []

    def audit_rows(ti, *, try_number, prefix, others):
        asked.append((ti.task_id, try_number, prefix))
        return rows

    monkeypatch.setattr(task_history, "audit_rows", audit_rows)
    yield rows
    assert set(asked) == {("load", 2, "pod ")}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(airflow_local_settings, "BASE_LOG_FOLDER", str(tmp_path / "logs"))
    file = tmp_path / "logs" / PATH
    file.parent.mkdir(parents=True)
    return file


def shown(pod_log, ti):
    sources, streams = pod_log.stream(PATH, ti)
    return sources, [line for stream in streams for line in stream]


def test_a_pods_story_and_its_last_lines_are_in_the_log(rows, ti):
    rows.extend([WAITS, FAILED, LOG])
    sources, lines = shown(PodLog(None), ti)
    assert sources == ["Audit log of the task"]
    first, second = (json.loads(line) for line in lines[:2])
    assert (first["level"], first["event"]) == ("warning", "pod pending: no node has room")
    assert (second["level"], second["event"]) == ("error", "pod failed: OOMKilled; raise it")
    assert second["timestamp"] == FAILED.at
    assert lines[2:] == ['{"event": "allocating"}', "Killed"]


@pytest.mark.parametrize("remote", [Streaming, Reading])
def test_a_log_that_was_saved_is_not_shown_twice(rows, ti, remote):
    rows.extend([FAILED, LOG])
    sources, lines = shown(PodLog(remote("one", "two")), ti)
    assert len(sources) == 2
    assert lines[:2] == ["one", "two"]
    assert [json.loads(line)["event"] for line in lines[2:]] == ["pod failed: OOMKilled; raise it"]


def test_a_log_whose_end_may_be_missing_is_shown_with_the_pods_last_lines_in_one_place(rows, ti):
    remote = Streaming("one", "two")
    remote.may_lack_its_end = True
    rows.extend([FAILED, LOG])
    lines = shown(PodLog(remote), ti)[1]
    assert lines[:2] == ["one", "two"]
    kept = [json.loads(line) for line in lines[3:]]
    events = ["::group::Last output of the pod", *LOG.text.splitlines(), "::endgroup::"]
    assert [line["event"] for line in kept] == events
    assert {line["timestamp"] for line in kept} == {LOG.at}


@pytest.mark.parametrize("remote", [None, Streaming(), Reading()])
def test_a_remote_log_without_a_line_leaves_the_kept_ones(rows, ti, remote):
    rows.append(LOG)
    assert shown(PodLog(remote), ti)[1] == LOG.text.splitlines()


def test_a_healthy_tasks_log_is_as_it_was(rows, ti):
    assert shown(PodLog(None), ti) == ([], [])
    assert shown(PodLog(Streaming("one")), ti) == (["remote"], ["one"])


def test_a_log_file_on_a_shared_volume_is_not_hidden(rows, ti, folder):
    rows.extend([FAILED, LOG])
    folder.write_text("from the file\n")
    outside = folder.parents[2] / "secret"
    outside.write_text("not a log")
    Path(f"{folder}.link").symlink_to(outside)
    sources, lines = shown(PodLog(None), ti)
    assert sources == [str(folder), "Audit log of the task"]
    assert lines[0] == "from the file"
    assert len(lines) == 2


def test_while_a_task_is_not_done_airflow_reads_its_files_itself(rows, ti, folder):
    ti.state = "queued"
    rows.append(WAITS)
    folder.write_text("from the file\n")
    assert shown(PodLog(None), ti)[0] == ["Audit log of the task"]


def test_without_the_database_the_log_is_shown_alone(monkeypatch, ti):
    def audit_rows(*_, **__):
        raise RuntimeError("the database is down")

    monkeypatch.setattr(task_history, "audit_rows", audit_rows)
    assert shown(PodLog(Streaming("one")), ti)[1] == ["one"]


def test_it_is_a_remote_log_that_leaves_writing_to_the_one_inside(ti):
    inner = Streaming()
    pod_log = PodLog(inner)
    assert isinstance(pod_log, RemoteLogStreamIO)
    assert pod_log.processors == ("a processor",)
    pod_log.upload("attempt=1.log", ti)
    assert inner.uploaded == ["attempt=1.log"]
    PodLog(None).upload("attempt=1.log", ti)
    assert PodLog(None).processors == ()


def test_airflow_takes_it_by_its_name(monkeypatch):
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS", NAME)
    assert _get_logging_config() is log_view.LOGGING_CONFIG
    found, _ = discover_remote_log_handler(NAME, "elsewhere", import_string)
    assert found is log_view.REMOTE_TASK_LOG


def test_a_healthy_tasks_view_is_its_log_alone(ti, rows):
    rows.append(AuditRow(at="2026-01-01T00:00:09+00:00", event="pod measured", text="{}"))
    sources, streams = PodLog(Streaming("one")).stream(PATH, ti)
    assert sources == ["remote"]
    assert [list(stream) for stream in streams] == [["one"]]
