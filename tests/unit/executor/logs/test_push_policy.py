"""What Loki's answers mean, as a table."""

import pytest

from tradewind.logs.push_policy import LONGEST_PAUSE_S, Answer, Step, judge, pause_s

BEHIND = (
    "entry with timestamp 2026-11-27 08:00:00 +0000 UTC ignored, reason: 'entry too far behind, "
    "entry timestamp is: 2026-11-27T08:00:00Z, oldest acceptable timestamp is: "
    "2026-11-27T09:00:00.5Z',\nuser 'fake', total ignored: 2 out of 9 for stream: {}"
)
TOO_OLD = (
    "entry for stream '{}' has timestamp too old: 2026-10-28T13:59:48Z, oldest "
    "acceptable timestamp is: 2026-11-27T09:00:00.5Z\n"
)


@pytest.mark.parametrize(
    ("status", "text", "step", "said"),
    [
        (204, "", Step.DELIVERED, ""),
        (200, "", Step.DELIVERED, ""),
        (0, "ConnectError: refused", Step.RETRY, "does not answer: ConnectError: refused"),
        (429, "Ingestion rate limit exceeded", Step.RETRY, "429: Ingestion rate"),
        (500, "", Step.RETRY, "500"),
        (503, "", Step.RETRY, "503"),
        (401, "no", Step.RETRY, "check loki_username"),
        (403, "no", Step.RETRY, "check loki_tenant"),
        (404, "<html>", Step.RETRY, "check loki_url"),
        (302, "", Step.RETRY, "not an answer of Loki"),
        (413, "", Step.HALVE, "413"),
        (400, BEHIND, Step.LATE, "too far behind"),
        (400, TOO_OLD, Step.REFUSED, "too old"),
        (400, "x" * 5000, Step.REFUSED, "…"),
    ],
)
def test_an_answer_decides(status, text, step, said):
    verdict = judge(Answer(status=status, text=text))
    assert verdict.step is step
    assert said in verdict.reason
    assert len(verdict.reason) < 500
    assert "\n" not in verdict.reason


@pytest.mark.parametrize("text", [BEHIND, TOO_OLD])
def test_lines_that_were_not_taken_are_told_apart_by_time(text):
    assert judge(Answer(status=400, text=text)).oldest_ns == 1_795_770_000_500_000_000


def test_where_loki_does_not_say_the_time_all_are_late():
    assert judge(Answer(status=400, text="entry too far behind")).oldest_ns > 10**19 // 2


@pytest.mark.parametrize(("text", "refused"), [("total ignored: 3 out of 10", 3), (TOO_OLD, None)])
def test_how_many_lines_were_refused_is_known_where_loki_says_it(text, refused):
    assert judge(Answer(status=400, text=text)).refused == refused


def test_pauses_grow_to_a_bound_and_never_meet():
    answer = Answer(status=503)
    longest = [pause_s(answer, failures=failures, jitter=1) for failures in range(99)]
    assert longest[:3] == [0.5, 1, 2]
    assert longest == sorted(longest)
    assert longest[-1] == LONGEST_PAUSE_S
    assert pause_s(answer, failures=2, jitter=0) == 1


@pytest.mark.parametrize(("asked", "pause"), [(7, 7.5), (3600, LONGEST_PAUSE_S + 0.5)])
def test_a_server_that_says_when_is_heard(asked, pause):
    assert pause_s(Answer(status=429, retry_after_s=asked), failures=0, jitter=0.5) == pause
