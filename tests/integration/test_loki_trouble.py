"""What goes wrong between a task and Loki: one sentence, lines that wait, a task that does not."""

import datetime as dt
import os
import time

import pytest
from loki_gateway import PASSWORD, TENANT, USER, Gateway
from loki_server import Loki, loki
from test_loki import PATH, Task, event, read, run

from tradewind.logs.settings import LokiSettings

__all__ = ["loki", "run"]

pytestmark = pytest.mark.timeout(3600)

OUTAGE_S = 180


@pytest.fixture
def password(tmp_path):
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    return path


def behind(gateway, password, **changed):
    """Return the settings for a gateway, all of them right unless changed."""
    right = {
        "url": gateway.url,
        "tenant": TENANT,
        "username": USER,
        "password_file": str(password),
        "ca_file": gateway.ca_file,
        "environment": "test",
    }
    return LokiSettings(**(right | changed))


def said(caplog):
    """Return what the sender told of its trouble; the same reason is told once."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.getMessage().startswith("logs wait, nothing else does: ")
    ]


def test_a_password_that_is_put_right_while_the_task_runs_loses_no_line(
    loki, tmp_path, run, password, caplog
):
    password.write_text("wrong")
    with Gateway(loki.url, tmp_path) as gateway:
        task = Task(tmp_path, behind(gateway, password), PATH.format(run=run))
        task.write(*(event(str(n)) for n in range(100)))
        deadline = time.monotonic() + 30
        while not said(caplog):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        password.write_text(PASSWORD)
        assert task.end() == 0
    (sentence,) = said(caplog)
    assert "Loki refuses the credentials: check loki_username and loki_password_file" in sentence
    assert "wrong password" in sentence
    assert read(loki.settings(), task.path) == task.written


WRONG = [
    pytest.param({"tenant": "team-b"}, "Loki refuses the tenant or the user", id="tenant"),
    pytest.param({"username": "nobody"}, "Loki refuses the credentials", id="user"),
    pytest.param({"password_file": "/none"}, "Loki does not answer: FileNotFound", id="password"),
    pytest.param({"ca_file": ""}, "certificate verify failed", id="unknown-certificate"),
    pytest.param({"url": "https://no.such.host.invalid"}, "Loki does not answer", id="host"),
]


@pytest.mark.parametrize(("changed", "sentence"), WRONG)
def test_what_is_wrong_is_told_once_and_holds_a_task_up_for_its_bound(
    loki, tmp_path, run, password, caplog, changed, sentence
):
    with Gateway(loki.url, tmp_path) as gateway:
        task = Task(tmp_path, behind(gateway, password, **changed), PATH.format(run=run))
        task.write(*(event(str(n)) for n in range(100)))
        assert task.end(timeout_s=3) == 100
    assert task.lost == [100]
    (told,) = said(caplog)
    assert sentence in told


def test_a_certificate_that_has_expired_is_told_as_that(loki, tmp_path, run, password, caplog):
    with Gateway(loki.url, tmp_path, certificate_for=-dt.timedelta(days=1)) as gateway:
        task = Task(tmp_path, behind(gateway, password), PATH.format(run=run))
        task.write(event("a line"))
        assert task.end(timeout_s=3) == 1
    (told,) = said(caplog)
    assert "certificate has expired" in told


@pytest.mark.parametrize("ahead", [pytest.param(True, id="ahead"), pytest.param(False, id="back")])
def test_a_clock_that_is_wrong_by_minutes_loses_no_line(loki, tmp_path, run, ahead):
    minutes = dt.timedelta(minutes=8 if ahead else -50)
    at = dt.datetime.now(dt.UTC) + minutes
    task = Task(tmp_path, loki.settings(), PATH.format(run=run), began=-minutes)
    task.write(*(event(str(n), at + dt.timedelta(milliseconds=n)) for n in range(100)))
    assert task.end() == 0
    assert task.lost == []
    assert read(loki.settings(), task.path) == task.written


def test_lines_of_a_clock_that_is_hours_ahead_are_counted_and_told(loki, tmp_path, run, caplog):
    ahead = dt.timedelta(hours=2)
    at = dt.datetime.now(dt.UTC) + ahead
    task = Task(tmp_path, loki.settings(), PATH.format(run=run), began=-ahead)
    task.write(*(event(str(n), at) for n in range(100)))
    assert task.end() == 0
    assert sum(task.lost) == 100
    (told,) = [text for text in caplog.messages if "are not in Loki" in text]
    assert "100 of 100 lines" in told
    assert "too new" in told


def test_a_loki_that_takes_less_than_a_task_writes_gets_all_of_it_later(tmp_path, run, caplog):
    """Its own limits, and its own 429."""
    rate = {"per_stream_rate_limit": "1MB", "per_stream_rate_limit_burst": "1MB"}
    with Loki(tmp_path / "server", **rate) as server:
        task = Task(tmp_path, server.settings(), PATH.format(run=run))
        task.write(*(event(f"{n} " + "x" * 400) for n in range(12_000)))
        assert task.end(timeout_s=120) == 0
        assert task.lost == []
        assert any("Loki answered 429" in sentence for sentence in said(caplog))
        assert read(server.settings(), task.path) == task.written


@pytest.mark.skipif("LOKI" not in os.environ, reason="takes three minutes: `./task test:loki`")
def test_an_outage_of_three_minutes_loses_no_line(tmp_path, run):
    with Loki(tmp_path / "server") as server:
        task = Task(tmp_path, server.settings(), PATH.format(run=run))
        task.write(*(event(f"before {n}") for n in range(1000)))
        time.sleep(2)
        server.stop(hard=True)
        for second in range(OUTAGE_S):
            task.write(*(event(f"during {second} {n}") for n in range(100)))
            time.sleep(1)
        server.start()
        task.write(event("after"))
        assert task.end(timeout_s=60) == 0
        assert task.lost == []
        assert read(server.settings(), task.path) == task.written
