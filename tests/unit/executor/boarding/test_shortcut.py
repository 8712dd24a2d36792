"""Requests of waiting pods, past the middlewares of the app that the endpoint is mounted in."""

import httpx
import pytest
from fastapi import FastAPI

from tradewind.boarding import shortcut

PATH = "/tradewind/v1/board"


class Airflows:
    """A middleware that counts what passes it."""

    __module__ = "airflow.api_fastapi.middlewares"

    def __init__(self, app, passed):
        self._app = app
        self._passed = passed

    async def __call__(self, scope, receive, send):
        self._passed.append(scope["type"])
        await self._app(scope, receive, send)


class Companys(Airflows):
    __module__ = "company.firewall"


@pytest.fixture
def passed():
    return []


def an_airflow(passed, *middlewares):
    """Return an app with the endpoint in it, as it is once it runs, and the endpoint."""
    root, endpoint = FastAPI(), FastAPI()

    @endpoint.api_route("/v1/board", methods=["GET", "POST"])
    @endpoint.api_route(PATH, methods=["POST"])
    async def board():
        return "endpoint"

    @root.get("/api/v2/dags")
    async def dags():
        return "dags"

    root.mount("/tradewind", endpoint)
    for middleware in middlewares:
        root.add_middleware(middleware, passed=passed)
    root.middleware_stack = root.build_middleware_stack()
    return root, endpoint


async def ask(app, method, path):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
        return (await client.request(method, path)).json()


@pytest.mark.parametrize(
    ("method", "path", "answer", "passes"),
    [
        pytest.param("POST", PATH, "endpoint", False, id="what-idle-pods-repeat"),
        pytest.param("GET", PATH, "endpoint", True, id="another-method"),
        pytest.param("GET", "/api/v2/dags", "dags", True, id="everything-else"),
    ],
)
async def test_only_the_requests_of_waiting_pods_take_it(passed, method, path, answer, passes):
    root, endpoint = an_airflow(passed, Airflows)
    assert shortcut.install(root, endpoint, paths={PATH})
    assert await ask(root, method, path) == answer
    assert bool(passed) is passes


async def test_somebody_elses_middleware_is_not_passed_by(passed):
    root, endpoint = an_airflow(passed, Airflows, Companys)
    assert not shortcut.install(root, endpoint, paths={PATH})
    assert await ask(root, "POST", PATH) == "endpoint"
    assert passed == ["http", "http"]


async def test_an_app_that_does_not_run_yet_keeps_its_ways(passed):
    root, endpoint = an_airflow(passed, Airflows)
    root.middleware_stack = None
    assert not shortcut.install(root, endpoint, paths={PATH})
    assert await ask(root, "POST", PATH) == "endpoint"
    assert passed == ["http"]
