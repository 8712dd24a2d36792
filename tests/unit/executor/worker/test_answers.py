import random

import pytest

from tradewind.worker.answers import Again, Answer, End, Patience, Run, Wait, read

URL = "http://airflow/tradewind/v1/board"


def ours(status, **more):
    return Answer(status=status, ours=True, **more)


def foreign(status, **more):
    return Answer(status=status, **more)


def ends(exit_code, ended):
    return lambda said: isinstance(said, End) and (said.exit_code, said.ended) == (exit_code, ended)


def waits(*, denied=False, at_once=False, after_s=None):
    return lambda said: (
        isinstance(said, Again)
        and (said.denied, said.at_once, said.after_s) == (denied, at_once, after_s)
    )


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        pytest.param(
            ours(200, body=b"{}"), lambda said: said == Run(workload=b"{}"), id="200-hands-over"
        ),
        pytest.param(ours(204), waits(at_once=True), id="204-is-not-claimed-yet"),
        pytest.param(ours(401), waits(denied=True), id="401-identity"),
        pytest.param(ours(409), ends(0, "superseded"), id="409-launch-not-open"),
        pytest.param(ours(410), ends(0, "superseded"), id="410-pod-gone"),
        pytest.param(ours(426), ends(0, "superseded"), id="426-too-old"),
        pytest.param(ours(429, retry_after_s=2.0), waits(after_s=2.0), id="429-too-fast"),
        pytest.param(foreign(429), waits(), id="429-of-an-ingress"),
        pytest.param(ours(500), waits(), id="500"),
        pytest.param(foreign(502), waits(), id="502-of-an-ingress-while-the-server-restarts"),
        pytest.param(ours(503, retry_after_s=1.0), waits(after_s=1.0), id="503-asks-to-wait"),
        pytest.param(Answer(detail="refused"), waits(), id="nothing-came"),
        pytest.param(ours(418), waits(), id="an-answer-that-nobody-knows"),
        # None of these is our endpoint's word, so none may start or end anything.
        pytest.param(foreign(200, body=b"<html>"), waits(), id="200-web-page-without-the-plugin"),
        pytest.param(foreign(404), waits(), id="404-without-the-plugin"),
        pytest.param(foreign(405), waits(), id="405-without-the-plugin"),
        pytest.param(foreign(401), waits(), id="401-of-an-ingress"),
        pytest.param(foreign(409), waits(), id="409-of-somebody-else"),
        pytest.param(foreign(410), waits(), id="410-of-somebody-else"),
        pytest.param(foreign(302), waits(), id="302-to-a-login-page"),
    ],
)
def test_what_an_answer_means(answer, is_right):
    said = read(answer, url=URL)
    assert is_right(said), said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (foreign(200), "install the same airflow-tradewind in the API server"),
        (foreign(405), "install the same airflow-tradewind in the API server"),
        (Answer(detail="ConnectionRefusedError: [Errno 111]"), "cannot be reached: Connection"),
        (ours(401, detail="audience"), "does not accept the pod's identity: audience"),
        (ours(503), "answers 503"),
    ],
)
def test_a_reason_to_wait_names_the_address_and_what_is_wrong(answer, words):
    why = read(answer, url=URL).why
    assert URL in why
    assert words in why


def test_a_superseded_pod_says_what_the_endpoint_said():
    said = read(ours(409, detail="not_open, running"), url=URL)
    assert said.reason == "the launch is not open any more: not_open, running"


def test_nothing_secret_shows_when_an_answer_is_printed():
    answer = ours(200, body=b'{"token": "eyJ"}')
    assert "eyJ" not in repr(answer) + repr(read(answer, url=URL))


def patience(budget_s=None, started_s=100.0):
    return Patience(started_s=started_s, budget_s=budget_s, rng=random.Random(1))


DOWN = Again(why="down")


def test_waits_grow_from_a_fifth_of_a_second_to_five_with_jitter():
    judge = patience()
    waits = [judge.judge(DOWN, now_s=100.0).seconds for _ in range(12)]
    for longest, wait in zip([0.2, 0.4, 0.8, 1.6, 3.2] + [5.0] * 7, waits, strict=True):
        assert longest / 2 <= wait <= longest
    assert len(set(waits)) == len(waits)


def test_an_answer_that_knows_nothing_yet_is_asked_again_at_once_and_ends_the_back_off():
    judge = patience()
    for _ in range(5):
        judge.judge(DOWN, now_s=100.0)
    assert judge.judge(Again(at_once=True), now_s=101.0) == Wait(seconds=0.0, why="")
    assert judge.judge(DOWN, now_s=102.0).seconds <= 0.2


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(2.0, 2.0, 2.4), (9999.0, 60.0, 72.0)])
def test_the_servers_wish_to_wait_is_kept_within_reason(asked_s, least_s, most_s):
    wait = patience().judge(Again(why="busy", after_s=asked_s), now_s=100.0)
    assert least_s <= wait.seconds <= most_s


def test_an_idle_pod_waits_for_ever():
    judge = patience()
    assert isinstance(judge.judge(DOWN, now_s=100.0 + 30 * 24 * 3600), Wait)


def test_a_pod_of_one_launch_ends_when_its_budget_is_spent_and_says_why():
    judge = patience(budget_s=60)
    assert isinstance(judge.judge(DOWN, now_s=159.9), Wait)
    assert judge.judge(DOWN, now_s=160.0) == End(
        exit_code=75, ended="not_started", reason="no workload within 60 s: down"
    )


def test_a_pod_that_nobody_knows_of_says_so_when_its_budget_is_spent():
    end = patience(budget_s=60).judge(Again(at_once=True), now_s=160.0)
    assert end.reason == "no workload within 60 s: the endpoint has no launch for this pod"


def test_no_wait_goes_beyond_the_budget():
    judge = patience(budget_s=60)
    for _ in range(10):
        wait = judge.judge(DOWN, now_s=159.99)
    assert wait.seconds <= 0.01 + 1e-9


@pytest.mark.parametrize("budget_s", [None, 900.0])
def test_a_refused_identity_ends_even_an_idle_pod_after_a_minute(budget_s):
    judge = patience(budget_s)
    denied = Again(why="no", denied=True)
    assert isinstance(judge.judge(denied, now_s=200.0), Wait)
    assert isinstance(judge.judge(denied, now_s=259.9), Wait)
    end = judge.judge(denied, now_s=260.0)
    assert (end.exit_code, end.ended, end.reason) == (75, "not_started", "no, for 60 s now")


def test_any_other_answer_begins_the_minute_anew():
    judge = patience()
    denied = Again(why="no", denied=True)
    judge.judge(denied, now_s=200.0)
    judge.judge(DOWN, now_s=230.0)
    assert isinstance(judge.judge(denied, now_s=261.0), Wait)
    assert isinstance(judge.judge(denied, now_s=320.0), Wait)
    assert isinstance(judge.judge(denied, now_s=321.0), End)
