"""The endpoint of one API server, put together from this Airflow's configuration."""

import gc
import sys
import threading
import types

import jwt
import pytest
from airflow.api_fastapi.common import http_access_log
from airflow.executors import executor_loader
from airflow.executors.workloads import ExecuteTask
from fastapi import FastAPI

from tradewind import boarding_server
from tradewind.boarding.endpoint import Closed
from tradewind.boarding.shortcut import Shortcut
from tradewind.executor import TradewindExecutor

OURS = "tradewind.executor.TradewindExecutor"


@pytest.fixture
def configured(monkeypatch):
    def configured(executor=OURS, **options):
        # Airflow reads its executors once in a process.
        monkeypatch.setattr(executor_loader, "_executor_names", [])
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__TRADEWIND__{name.upper()}", value)

    return configured


@pytest.mark.parametrize(
    ("executor", "options", "expected"),
    [
        pytest.param(OURS, {}, True, id="ours"),
        pytest.param(f"LocalExecutor,{OURS}", {}, True, id="beside-another"),
        pytest.param(f"fast:{OURS}", {}, True, id="by-an-alias"),
        pytest.param("LocalExecutor", {}, False, id="another"),
        pytest.param(OURS, {"delivery": "args"}, False, id="no-pod-boards"),
    ],
)
def test_where_there_is_an_endpoint(configured, executor, options, expected):
    configured(executor, **options)
    app = boarding_server.make_app()
    assert isinstance(app, FastAPI) is expected


def test_making_it_opens_nothing(configured, monkeypatch):
    configured()
    monkeypatch.setattr(
        boarding_server, "connect_with_identities", lambda *_, **__: pytest.fail("connected")
    )
    assert boarding_server.make_app() is not None


def test_tokens_are_airflows_own_and_live_as_long_as_asked(configured):
    configured()
    executor = TradewindExecutor()
    token = boarding_server._mint(executor, "the-row", 120)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["scope"]) == ("the-row", "workload")
    assert claims["exp"] - claims["iat"] == 120
    longer = executor.jwt_generator.generate({"sub": "x"})
    assert jwt.get_unverified_header(token) == jwt.get_unverified_header(longer)
    assert claims["aud"] == jwt.decode(longer, options={"verify_signature": False})["aud"]


def test_a_token_in_arguments_says_what_airflows_own_does(configured):
    configured()
    executor = TradewindExecutor()
    ours = executor._mint("the-row")
    theirs = ExecuteTask.generate_token("the-row", executor.jwt_generator)
    assert jwt.get_unverified_header(ours) == jwt.get_unverified_header(theirs)
    said = []
    for token in (ours, theirs):
        claims = jwt.decode(token, options={"verify_signature": False})
        began_s = claims.pop("iat")
        said.append(
            claims | {"jti": "", **{name: claims[name] - began_s for name in ("exp", "nbf")}}
        )
    assert said[0] == said[1]


async def test_launches_are_handed_over_on_threads(configured, monkeypatch):
    configured(workload_token_ttl="60")
    taken = []

    def take(claim, *, mint, token_ttl_s, sentry_integration):
        taken.append((claim, token_ttl_s, sentry_integration, threading.current_thread().name))
        return Closed(state="running")

    monkeypatch.setattr(boarding_server.open_launches, "take", take)
    hand_over = boarding_server._hand_over(TradewindExecutor())
    assert await hand_over("claim") == Closed(state="running")
    ((claim, ttl_s, sentry, thread),) = taken
    assert (claim, ttl_s, sentry) == ("claim", 60, "")
    assert thread.startswith("tradewind-board")


@pytest.fixture
def root(monkeypatch):
    """Stand in for the app of this process, which only a real API server has."""
    root = FastAPI()
    root.state.asked = []
    monkeypatch.setitem(sys.modules, "airflow.api_fastapi.main", types.SimpleNamespace(app=root))
    monkeypatch.setattr(gc, "freeze", lambda: root.state.asked.append("frozen"))
    return root


async def test_the_first_request_goes_to_this_very_process(root):
    @root.get("/execution/health")
    async def health():
        root.state.asked.append("health")

    await boarding_server.warm_up()
    assert root.state.asked == ["health", "frozen"]


async def test_an_error_is_tried_again_by_the_caller(root):
    @root.get("/execution/health", status_code=500)
    async def health():
        return {}

    with pytest.raises(RuntimeError, match="/execution/health answered 500"):
        await boarding_server.warm_up()
    assert root.state.asked == []


async def test_a_process_whose_app_is_not_found_is_not_waited_for(monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "airflow.api_fastapi.main", raising=False)
    caplog.set_level("INFO")
    await boarding_server.warm_up()
    assert "its first task starts late" in caplog.text


async def test_once_it_is_warm_idle_pods_are_led_past_airflows_middlewares(
    configured, root, monkeypatch
):
    configured()
    begun = []
    monkeypatch.setattr(boarding_server, "Service", lambda *_, **given: begun.append(given))
    app = boarding_server.make_app()

    @root.get("/execution/health")
    async def health():
        return {}

    root.middleware_stack = root.build_middleware_stack()
    await begun[0]["warm_up"]()
    assert isinstance(root.middleware_stack, Shortcut)
    assert root.middleware_stack._app is app


@pytest.mark.parametrize(
    ("path", "logged"),
    [("/tradewind/v1/board", False), ("/api/v2/monitor/health", False), ("/api/v2/dags", True)],
    ids=["what-idle-pods-repeat", "as-airflow-does", "everything-else"],
)
async def test_the_access_log_is_spared_what_idle_pods_repeat(
    configured, monkeypatch, path, logged
):
    configured()
    monkeypatch.setattr(http_access_log, "_HEALTH_PATHS", http_access_log._HEALTH_PATHS)
    lines = []
    monkeypatch.setattr(
        http_access_log, "logger", types.SimpleNamespace(info=lambda *_, **said: lines.append(said))
    )
    assert boarding_server.make_app() is not None

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(_):
        pass

    scope = {"type": "http", "path": path, "method": "POST", "query_string": b"", "headers": []}
    await http_access_log.HttpAccessLogMiddleware(app)(scope, None, send)
    assert [line["path"] for line in lines] == [path] * logged
