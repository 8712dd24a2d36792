"""Loki as Airflow's remote log: what is followed, which times are asked for, and trouble."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from airflow._shared.logging.remote import RemoteLogStreamIO

from tradewind import log_view, loki_log, task_history, task_logs
from tradewind.log_view import PodLog
from tradewind.logs import reader
from tradewind.logs.client import LokiError
from tradewind.logs.settings import LokiSettings
from tradewind.loki_log import MARGIN, LokiLog

PATH = "dag_id=etl/run_id=r/task_id=t/attempt=1.log"
NOW = datetime.now(UTC)


class Shipper:
    def __init__(self):
        self.calls = []

    def __getattr__(self, verb):
        return lambda path, **options: self.calls.append((verb, path, *options.values()))


@pytest.fixture
def loki(tmp_path):
    loki = LokiLog(LokiSettings(url="http://127.0.0.1:9"), folder=str(tmp_path))
    loki.__dict__["_shipper"] = Shipper()
    return loki


@pytest.fixture
def ti(monkeypatch):
    monkeypatch.setattr(loki_log, "_first_poke", lambda ti: ti.poked)
    return SimpleNamespace(
        dag_id="etl",
        task_id="t",
        run_id="r",
        map_index=-1,
        try_number=1,
        state="failed",
        queued_dttm=NOW - timedelta(hours=3),
        start_date=NOW - timedelta(hours=2),
        end_date=NOW - timedelta(hours=1),
        poked=None,
    )


def logger(loki, file):
    return structlog.wrap_logger(
        structlog.BytesLogger(file), processors=[*loki.processors, lambda *_: b"line"]
    )


def test_it_is_a_remote_log_that_airflow_can_stream_from(loki):
    assert isinstance(loki, RemoteLogStreamIO)


def test_the_file_behind_a_tasks_logger_is_followed_from_its_end(loki, tmp_path):
    file = tmp_path / "attempt=1.log"
    file.write_bytes(b"from before\n")
    with file.open("ab") as log:
        logger(loki, log).info("x")
    assert loki._shipper.calls == [("follow", str(file), 12)]


def test_loggers_of_everything_else_are_passed_by(loki, tmp_path_factory):
    with (tmp_path_factory.mktemp("else") / "a.log").open("ab") as log:
        logger(loki, log).info("x")
    (follow,) = loki.processors
    for other in (None, object(), SimpleNamespace(_file=SimpleNamespace(name=3))):
        event = {"event": "x"}
        assert follow(other, "info", event) is event
    assert loki._shipper.calls == []


@pytest.mark.parametrize(("path", "call"), [(PATH, "flush"), (f"{PATH}.trigger.5.log", "release")])
def test_the_end_of_a_task_waits_for_its_log_and_a_triggerer_for_none(loki, tmp_path, path, call):
    loki.upload(path, None)
    assert loki._shipper.calls == [(call, str(tmp_path / path))]


@pytest.mark.parametrize(
    ("changed", "start", "end"),
    [
        ({}, NOW - timedelta(hours=3), NOW - timedelta(hours=1)),
        ({"state": "running"}, NOW - timedelta(hours=3), NOW),
        ({"state": "deferred"}, NOW - timedelta(hours=3), NOW),
        ({"poked": NOW - timedelta(days=40)}, NOW - timedelta(days=40), NOW - timedelta(hours=1)),
        ({"queued_dttm": None}, NOW - timedelta(hours=2), NOW - timedelta(hours=1)),
        (
            {"queued_dttm": None, "start_date": None},
            NOW - timedelta(hours=25),
            NOW - timedelta(hours=1),
        ),
    ],
)
def test_a_log_is_looked_for_while_the_try_may_have_written(loki, ti, changed, start, end):
    vars(ti).update(changed)
    found_start, found_end = loki_log._range(ti)
    assert abs(found_start - (start - MARGIN)) < timedelta(minutes=5)
    assert abs(found_end - (end + MARGIN)) < timedelta(minutes=5)


def lines_of(*lines):
    return lambda client, logql, **_: (line for line in lines) if lines else None


def test_where_loki_has_lines_the_pods_own_output_is_left_out_once(loki, ti, monkeypatch):
    monkeypatch.setattr(reader, "read", lines_of("a", "b"))
    sources, (stream,) = loki.stream(PATH, ti)
    assert list(stream) == ["a", "b"]
    assert 'task_id="t"' in sources[0]
    assert task_logs.tail(ti, try_number=1, settings=None)[1] == []
    assert not loki_log.was_shown(ti)


def test_the_log_view_links_to_grafana_with_the_query_and_the_time_of_the_try(
    tmp_path, ti, monkeypatch
):
    monkeypatch.setattr(reader, "read", lambda *_, **__: iter(["line"]))
    settings = LokiSettings(
        url="http://loki", grafana_url="https://g.example", grafana_datasource="P1"
    )
    sources, _ = LokiLog(settings, folder=str(tmp_path)).stream(PATH, ti)
    label, _, address = sources[1].partition(": ")
    assert label == "Open in Grafana"
    (pane,) = json.loads(parse_qs(urlsplit(address).query)["panes"][0]).values()
    assert sources[0].endswith(pane["queries"][0]["expr"])
    start = datetime.fromtimestamp(int(pane["range"]["from"]) / 1000, tz=UTC)
    assert start <= ti.queued_dttm


def test_where_loki_has_none_the_pod_is_read(loki, ti, monkeypatch):
    monkeypatch.setattr(reader, "read", lines_of())
    assert loki.stream(PATH, ti)[1] == []
    assert not loki_log.was_shown(ti)


def test_where_loki_does_not_answer_the_first_line_says_so(loki, ti, monkeypatch):
    def read(*_, **__):
        raise LokiError("Loki at http://loki does not answer: refused")

    monkeypatch.setattr(reader, "read", read)
    monkeypatch.setattr(task_history, "audit_rows", lambda *_, **__: [])
    sources, (first, *_) = PodLog(loki).stream(PATH, ti)
    assert sources == ["Loki at http://loki does not answer: refused"]
    told = json.loads(next(first))
    assert told["event"].startswith("The stored log cannot be read now")
    assert "timestamp" not in told
    assert not loki_log.was_shown(ti)


def test_a_kept_log_of_a_dead_pod_is_shown_when_loki_does_not_answer(loki, ti, monkeypatch):
    def read(*_, **__):
        raise LokiError("away")

    row = task_history.AuditRow(at=NOW.isoformat(), event="pod log", text="Killed")
    monkeypatch.setattr(reader, "read", read)
    monkeypatch.setattr(task_history, "audit_rows", lambda *_, **__: [row])
    _, streams = PodLog(loki).stream(PATH, ti)
    assert [line for stream in streams for line in stream][-1] == "Killed"


class Conf(dict):
    def has_option(self, section, key):
        return key in self

    def get(self, section, key):
        return self[key]


def test_a_setting_that_cannot_be_used_is_told_and_stops_nothing(caplog):
    assert loki_log.configured(Conf(loki_url="loki"), folder="/logs") is None
    assert "task logs do not go to Loki: [tradewind] loki_url is 'loki'" in caplog.text
    assert loki_log.configured(Conf(), folder="/logs") is None
    assert loki_log.configured(Conf(loki_url="http://loki"), folder="/logs") is not None


def test_without_loki_the_log_view_is_as_it_was():
    assert log_view.REMOTE_TASK_LOG._inner is None
