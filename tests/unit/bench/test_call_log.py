"""Calls are counted from an audit log that grows while it is read."""

import json

import pytest
from call_log import CallLog


def a_line(verb, *, at_s, code=201, stage="ResponseComplete", namespace="bench"):
    return {
        "stage": stage,
        "verb": verb,
        "objectRef": {"namespace": namespace},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": f"2026-01-01T00:00:{at_s:02}.000000Z",
        "stageTimestamp": f"2026-01-01T00:00:{at_s:02}.500000Z",
    }


@pytest.fixture
def log(tmp_path):
    file = tmp_path / "audit.log"
    file.touch()
    return file


def append(file, *lines):
    with file.open("a") as output:
        output.writelines(json.dumps(line) + "\n" for line in lines)


def test_a_refused_call_counts_and_has_no_effect(log):
    calls = CallLog(log)
    append(log, a_line("delete", at_s=1, code=200), a_line("delete", at_s=2, code=404))
    assert calls.counts("bench")["delete"] == 2
    assert calls.worked("bench")["delete"] == 1


def test_stages_before_the_last_and_other_namespaces_do_not_count(log):
    calls = CallLog(log)
    append(log, a_line("create", at_s=1, stage="ResponseStarted"))
    append(log, a_line("create", at_s=1, namespace="other"))
    assert calls.counts("bench")["create"] == 0


def test_a_line_that_is_half_written_is_read_when_it_is_whole(log):
    calls = CallLog(log)
    line = json.dumps(a_line("create", at_s=1)) + "\n"
    with log.open("a") as output:
        output.write(line[:40])
    assert calls.counts("bench")["create"] == 0
    with log.open("a") as output:
        output.write(line[40:])
    assert calls.counts("bench")["create"] == 1


def test_a_rate_is_from_the_first_call_to_the_last_answer(log):
    calls = CallLog(log)
    append(log, *(a_line("create", at_s=second) for second in range(10)))
    calls.counts("bench")
    assert calls.rate("bench", "create") == pytest.approx(10 / 9.5)


def test_waiting_for_calls_has_an_end(log):
    with pytest.raises(TimeoutError, match="0 of 1 calls of create"):
        CallLog(log).await_calls("bench", "create", 1, within_s=0.0)


def test_who_looks_may_end_the_wait(log):
    def look():
        raise RuntimeError("the executor has ended")

    with pytest.raises(RuntimeError, match="has ended"):
        CallLog(log).await_calls("bench", "create", 1, within_s=60.0, look=look)


def test_a_log_that_was_put_aside_is_no_log_without_calls(log):
    calls = CallLog(log)
    append(log, a_line("create", at_s=1))
    calls.counts("bench")
    log.rename(log.with_suffix(".old"))
    log.touch()
    with pytest.raises(RuntimeError, match="put it aside"):
        calls.counts("bench")
