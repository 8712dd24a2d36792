"""The endpoint over HTTP: headers, bodies, and what is never shown."""

import asyncio
import json
import logging

import httpx
import pytest
from fastapi import FastAPI

from tradewind.boarding import answers
from tradewind.boarding.app import create_app
from tradewind.boarding.service import Health

BOARD = "/tradewind/v1/board"
HEALTH = "/tradewind/v1/health"


class Service:
    """Answers as the test says, and remembers what arrived."""

    def __init__(self):
        self.answer = answers.nothing_yet()
        self.fault = None
        self.status = "ready"
        self.runs = asyncio.Event()
        self.header = self.body = None

    async def board(self, authorization, read_body):
        self.header = authorization
        if self.fault is not None:
            raise self.fault
        self.body = await read_body()
        return self.answer

    def health(self):
        missing = () if self.status == "ready" else ("the pods are not listed",)
        return Health(status=self.status, not_ready=missing, waiting=3)

    async def run(self):
        self.runs.set()
        await asyncio.Event().wait()


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def root(service):
    root = FastAPI()
    root.mount("/tradewind", create_app(service, version="1.2.3", audience="tradewind"))
    return root


@pytest.fixture
def ask(root):
    async def ask(method, path, **more):
        transport = httpx.ASGITransport(app=root)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, **more)

    return ask


async def test_every_answer_tells_the_time_and_is_not_kept(ask, service):
    service.answer = answers.handed_over(b'{"type": "ExecuteTask"}')
    answer = await ask("POST", BOARD, content=b"{}")
    assert answer.status_code == 200
    assert answer.json() == {"type": "ExecuteTask"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert float(answer.headers["Tradewind-Server-Time"]) > 1_700_000_000


async def test_an_empty_answer_has_no_body(ask):
    answer = await ask("POST", BOARD, content=b"{}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers


async def test_a_refusal_carries_its_headers(ask, service):
    service.answer = answers.denied("audience")
    answer = await ask("POST", BOARD)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="tradewind"'
    assert answer.json() == {"reason": "audience"}


async def test_only_the_first_authorization_header_counts(ask, service):
    # A middleware of Airflow's simple auth manager appends an administrator's.
    both = [("Authorization", "Bearer ours"), ("Authorization", "Bearer admin")]
    await ask("POST", BOARD, headers=both)
    assert service.header == "Bearer ours"


async def test_a_body_beyond_any_request_of_ours_is_not_read(ask, service):
    async def endless():
        for _ in range(10_000):
            yield b"x" * 1_000

    await ask("POST", BOARD, content=endless())
    assert service.body == b""


async def test_an_error_is_answered_without_a_word_of_the_request(ask, service, caplog):
    service.fault = RuntimeError("broken")
    caplog.set_level(logging.DEBUG)
    answer = await ask(
        "POST", BOARD, headers={"Authorization": "Bearer eyJsecret"}, content=b'{"a": "body"}'
    )
    assert (answer.status_code, answer.json()) == (503, {"reason": "error"})
    assert "request for its workload failed" in caplog.text
    assert "eyJ" not in caplog.text
    assert '"a": "body"' not in caplog.text


@pytest.mark.parametrize(
    ("status", "code"),
    [("starting", 503), ("ready", 200), ("degraded", 200)],
    ids=["not-before-it-is-warm", "ready", "not-taken-away-again"],
)
async def test_health_is_for_a_readiness_probe(ask, service, status, code):
    service.status = status
    answer = await ask("GET", HEALTH)
    assert answer.status_code == code
    assert answer.headers["Content-Type"] == "application/json"
    missing = [] if status == "ready" else ["the pods are not listed"]
    assert answer.json() == {
        "version": "1.2.3",
        "protocol": 1,
        "audience": "tradewind",
        "status": status,
        "not_ready": missing,
        "waiting": 3,
    }


async def test_the_schema_describes_request_and_answers(ask):
    schema = (await ask("GET", "/tradewind/openapi.json")).json()
    board = schema["paths"]["/v1/board"]["post"]
    assert {"200", "204", "401", "409", "410", "426", "429", "503"} <= board["responses"].keys()
    body = board["requestBody"]["content"]["application/json"]["schema"]
    assert {"protocol", "template", "worker", "hold"} == body["properties"].keys()
    assert board["security"] == [{"bearer": []}]
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "get" in schema["paths"]["/v1/health"]


async def test_only_posts_are_answered(ask):
    assert (await ask("GET", BOARD)).status_code == 405


async def test_the_service_runs_as_long_as_the_app(root, service):
    app = root.routes[-1].app
    async with app.router.lifespan_context(app):
        await service.runs.wait()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert [task.get_name() for task in others] == ["tradewind-boarding"]
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_service_that_breaks_does_not_stop_the_api_server(root, service):
    async def run():
        raise ZeroDivisionError

    service.run = run
    app = root.routes[-1].app
    async with app.router.lifespan_context(app):
        await asyncio.sleep(1)


def test_answers_are_json_with_a_reason():
    for answer in (answers.not_open("running"), answers.leaving("gone"), answers.too_many()):
        assert json.loads(answer.body)["reason"] == answer.reason
