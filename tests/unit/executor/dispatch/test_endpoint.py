import asyncio
import logging
from dataclasses import replace

import pytest

from tradewind.client.endpoint import Answer, Health
from tradewind.dispatch import endpoint_policy
from tradewind.dispatch.endpoint import LATER_S, SOON_FOR_S, SOON_S, Endpoint

URL = "http://api:8080/tradewind/v1/board"
JSON = "application/json"
GOOD = Answer(status=401, content_type=JSON, server_time_s=100.0, asked_s=100.0)
REFUSED = Answer(text="ClientConnectorError: refused")


@pytest.mark.parametrize(
    ("answer", "answers", "words"),
    [
        pytest.param(GOOD, True, "pods can board", id="ours"),
        pytest.param(
            Answer(status=503, content_type=JSON, server_time_s=1.0, text="starting"),
            False,
            "is not ready: status 503 application/json: starting",
            id="ours-not-ready",
        ),
        pytest.param(
            replace(GOOD, health=Health(is_ready=True, audience="x")),
            True,
            "pods can board",
            id="ours-and-ready",
        ),
        pytest.param(
            replace(GOOD, health=Health(is_ready=False, not_ready="may not watch pods")),
            False,
            "is not ready: may not watch pods",
            id="ours-without-leave-to-watch-pods",
        ),
        pytest.param(
            Answer(status=200, content_type="text/html", text="<!doctype html>"),
            False,
            "a web page answers, so the API server did not load the plugin",
            id="the-ui",
        ),
        pytest.param(
            Answer(status=405, content_type=JSON), False, "does not know the path", id="no-plugin"
        ),
        pytest.param(
            Answer(status=404, content_type="text/plain"), False, "status 404", id="no-path"
        ),
        pytest.param(
            Answer(status=401, content_type=JSON, text="log in"),
            False,
            "something else answers: status 401",
            id="somebody-elses-401",
        ),
        pytest.param(
            Answer(status=401, content_type="text/html", server_time_s=1.0),
            False,
            "a web page",
            id="a-page-with-our-header",
        ),
        pytest.param(
            Answer(status=502, content_type="text/html", text="bad gateway"),
            False,
            "status 502 text/html: bad gateway",
            id="a-proxy",
        ),
        pytest.param(REFUSED, False, "ClientConnectorError: refused", id="nobody"),
    ],
)
def test_who_answers_where_pods_board(answer, answers, words):
    standing = endpoint_policy.judge(answer, url=URL)
    assert standing.answers is answers
    assert words in standing.found
    assert URL in standing.found
    assert bool(standing.remedy) is not answers


@pytest.mark.parametrize(
    ("answer", "is_down"),
    [
        (GOOD, False),
        (REFUSED, True),
        (Answer(status=502, content_type="text/html"), True),
        (replace(GOOD, health=Health(is_ready=False)), True),
        (Answer(status=200, content_type="text/html"), False),
        (Answer(status=404), False),
    ],
    ids=["ours", "nobody", "proxy", "not-ready", "the-ui", "no-path"],
)
def test_what_may_be_back_soon_is_down(answer, is_down):
    assert endpoint_policy.judge(answer, url=URL).is_down is is_down


def test_it_tells_how_far_apart_the_clocks_are():
    ahead = Answer(status=401, content_type=JSON, server_time_s=100.0, asked_s=107.5)
    assert endpoint_policy.judge(ahead, url=URL).skew_s == 7.5
    assert endpoint_policy.judge(REFUSED, url=URL).skew_s is None


class Server:
    def __init__(self, clock, *answers):
        self._clock = clock
        self._answers = list(answers)
        self.asked_s = []

    async def ask(self, url):
        assert url == URL
        self.asked_s.append(self._clock.now_s())
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def test_it_is_asked_until_it_answers_and_never_again(clock):
    server = Server(clock, REFUSED, REFUSED, GOOD, REFUSED)
    endpoint = Endpoint(URL, ask=server.ask, clock=clock)
    assert not endpoint.has_answered
    await endpoint.run()
    assert endpoint.has_answered
    assert len(server.asked_s) == 3


async def test_an_installation_without_it_is_asked_ever_more_seldom(clock):
    server = Server(clock, REFUSED)
    endpoint = Endpoint(URL, ask=server.ask, clock=clock)
    asking = asyncio.create_task(endpoint.run())
    await asyncio.sleep(SOON_FOR_S + 10 * LATER_S)
    asking.cancel()
    assert len(server.asked_s) == pytest.approx(SOON_FOR_S / SOON_S + 10, abs=2)
    assert not endpoint.has_answered


async def test_without_an_address_nobody_is_asked(clock):
    server = Server(clock, GOOD)
    endpoint = Endpoint("", ask=server.ask, clock=clock)
    await endpoint.run()
    assert server.asked_s == []
    assert not endpoint.has_answered


async def test_an_answer_that_breaks_later_is_told_and_does_not_unsettle(clock):
    endpoint = Endpoint(URL, ask=Server(clock, GOOD, REFUSED).ask, clock=clock)
    assert (await endpoint.look()).answers
    assert not (await endpoint.look()).answers
    assert endpoint.has_answered


async def test_the_same_news_is_told_once(clock, caplog):
    caplog.set_level(logging.INFO)
    endpoint = Endpoint(URL, ask=Server(clock, REFUSED, REFUSED, GOOD).ask, clock=clock)
    await endpoint.run()
    told = [record.message for record in caplog.records if record.name.endswith("endpoint")]
    assert len(told) == 2
    assert "refused: check [core] execution_api_server_url" in told[0]
    assert told[1] == f"pods can board at {URL}"
