"""Readers of the audit log, of gauges and of logs."""

import json

import pytest
from gather import Gauges, Logs, audited

TOKEN = "eyJhbGciOiJI.eyJzdWIiOiJ0"


def an_event(**more):
    event = {
        "stage": "ResponseComplete",
        "requestReceivedTimestamp": "2026-01-01T00:00:10.500000Z",
        "verb": "create",
        "objectRef": {"resource": "pods", "name": "work-1"},
        "responseStatus": {"code": 201},
    }
    return json.dumps(event | more)


AT_S = 1767225610.5


def test_calls_about_pods_are_read_from_the_audit_log(tmp_path):
    log = tmp_path / "audit.log"
    log.write_text(
        an_event()
        + "\n"
        + an_event(stage="ResponseStarted")
        + "\n"
        # What the API server was writing when it was killed.
        + an_event()[:40]
    )
    (call,) = audited(log, from_s=AT_S)
    assert call == {
        "at_s": AT_S,
        "source": "audit",
        "kind": "call",
        "verb": "create",
        "name": "work-1",
        "code": 201,
    }
    assert audited(log, from_s=AT_S + 1) == []


def test_a_token_in_a_pod_or_an_event_is_found(tmp_path):
    log = tmp_path / "audit.log"
    with_token = {"requestObject": {"spec": {"args": [TOKEN]}}}
    of_event = {"objectRef": {"resource": "events", "name": "e1"}, "verb": "patch"}
    log.write_text(an_event(**with_token) + "\n" + an_event(**(with_token | of_event)) + "\n")
    told = [record["where"] for record in audited(log, from_s=0) if record["kind"] == "secret"]
    assert told == ["the create of pods work-1", "the patch of events e1"]


def test_each_token_in_a_log_is_told_once(tmp_path):
    log = tmp_path / "scheduler.log"
    log.write_text("nothing of note\n")
    logs = Logs(tmp_path, "*scheduler.log")
    assert logs.secrets() == []
    with log.open("a") as more:
        more.write(f"token {TOKEN}\n")
    (found,) = logs.secrets()
    assert (found["source"], found["kind"], found["where"]) == (
        "log",
        "secret",
        "the log scheduler.log",
    )
    assert logs.secrets() == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("scheduler.executor.running_tasks:3|g", [("scheduler", 3.0)]),
        ("other-scheduler.executor.running_tasks:0|g", [("other-scheduler", 0.0)]),
        ("scheduler.executor.open_slots:3|g", []),
        ("scheduler.executor.running_tasks.Tradewind:3|g", []),
        ("no gauge at all", []),
    ],
)
def test_what_executors_say_of_running_tasks_is_taken(line, told):
    records = []
    gauges = Gauges(tell=lambda source, kind, **fields: records.append(fields))
    gauges._take(line)
    gauges._socket.close()
    assert [(record["scheduler"], record["value"]) for record in records] == told
    assert list(gauges.running.items()) == told
