"""Airflow seam: the boarding endpoint of one API-server process, put together.

Settings come from the executors that this Airflow is configured with, one for each team; the
database is read on a few threads of its own, so that pods that board do not hold up Airflow's.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
from airflow.api_fastapi.app import API_ROOT_PATH
from airflow.api_fastapi.common import http_access_log
from airflow.executors.executor_loader import ExecutorLoader

from tradewind import __version__, config, open_launches, workloads
from tradewind.airflow_stats import AirflowMetrics
from tradewind.boarding import shortcut
from tradewind.boarding.app import create_app
from tradewind.boarding.endpoint import Closed, HandOver
from tradewind.boarding.service import Service
from tradewind.boarding.standing import Claimed
from tradewind.boarding.upkeep import Source
from tradewind.client.connect import connect_with_identities
from tradewind.clock import SystemClock
from tradewind.contract import BOARD_PATH, URL_PREFIX
from tradewind.executor import TradewindExecutor

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

_THREADS = 4
_ROOT_MODULE = "airflow.api_fastapi.main"
_FIRST_REQUEST = "/execution/health"
_WARM_UP_S = 120.0
_OK = 200


def make_app() -> FastAPI | None:
    """Return the app, or None where no executor of this Airflow lets pods board.

    Raises what reading the configuration raises.
    """
    executors = [executor for executor in _executors() if _settings(executor).delivery != "args"]
    if not executors:
        return None
    measured = AirflowMetrics()

    def connect() -> Sequence[Source]:
        return [_source(executor, measured) for executor in executors]

    async def begin() -> None:
        await warm_up()
        shorten(app)

    service = Service(
        connect,
        hand_over=_hand_over(executors[0]),
        warm_up=begin,
        clock=SystemClock(),
        measured=measured,
    )
    _keep_out_of_access_log()
    audiences = {_settings(executor).boarding_audience for executor in executors}
    audience = audiences.pop() if len(audiences) == 1 else ""
    app = create_app(service, version=__version__, audience=audience)
    return app


def shorten(app: FastAPI) -> None:
    """Lead the requests of idle pods past the middlewares of this process's app."""
    root = _root()
    if root is not None:
        shortcut.install(root, app, paths=_paths())


def _root() -> FastAPI | None:
    """Return the app of this process, which Airflow makes when a worker process starts."""
    root: FastAPI | None = getattr(sys.modules.get(_ROOT_MODULE), "app", None)
    return root


def _paths() -> frozenset[str]:
    """Return the paths under which a server hands the endpoint's requests over."""
    root = API_ROOT_PATH.removesuffix("/")
    return frozenset(f"{prefix}{URL_PREFIX}{BOARD_PATH}" for prefix in ("", root))


def _keep_out_of_access_log() -> None:
    """Write no line of Airflow's access log for a request that every idle pod repeats for ever.

    Hundreds of waiting pods would write millions a day. What matters of these requests the
    endpoint logs itself: hand-overs, denials, launches that are not open. Airflow has no setting
    for it; where its list moves, the lines are back and nothing breaks.
    """
    paths: frozenset[str] = getattr(http_access_log, "_HEALTH_PATHS", frozenset())
    http_access_log._HEALTH_PATHS = paths | _paths()  # noqa: SLF001 - see above


async def warm_up() -> None:
    """Send this very process its first Execution API request, which takes seconds.

    A task would wait longer for it than its client does. What is loaded by then stays loaded, so
    the collector of cycles need not look at it again: one look at Airflow's whole heap holds up
    every request of the process for half a second.

    Raises:
        RuntimeError: the answer is an error.
        httpx.HTTPError: there was none.

    """
    root = _root()
    if root is None:
        log.info("the app of this API server was not found: its first task starts late")
        return
    transport = httpx.ASGITransport(app=root)
    async with httpx.AsyncClient(transport=transport, base_url="http://airflow") as client:
        answer = await client.get(_FIRST_REQUEST, timeout=_WARM_UP_S)
    if answer.status_code != _OK:
        raise RuntimeError(f"{_FIRST_REQUEST} answered {answer.status_code}")
    gc.collect()
    gc.freeze()


def _executors() -> list[TradewindExecutor]:
    """Return this Airflow's executors that are ours; constructing one opens nothing."""
    found = []
    for name in ExecutorLoader.get_executor_names(validate_teams=False):
        executor_class, _ = ExecutorLoader.import_executor_cls(name)
        if issubclass(executor_class, TradewindExecutor):
            found.append(ExecutorLoader.load_executor(name))
    return found


def _settings(executor: TradewindExecutor) -> config.Settings:
    return config.load(executor.conf, section=executor.section)


def _source(executor: TradewindExecutor, measured: AirflowMetrics) -> Source:
    settings = _settings(executor)
    cluster, identities = connect_with_identities(settings, measured=measured)
    return Source(cluster=cluster, identities=identities, settings=settings)


def _hand_over(executor: TradewindExecutor) -> HandOver:
    """Return what hands launches over: the teams of one Airflow share database and keys."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tradewind-board")
    take = functools.partial(
        open_launches.take,
        mint=functools.partial(_mint, executor),
        token_ttl_s=_settings(executor).workload_token_ttl_s,
        sentry_integration=executor.sentry_integration,
    )

    async def hand_over(claim: Claimed) -> bytes | Closed:
        return await asyncio.get_running_loop().run_in_executor(threads, take, claim)

    return hand_over


def _mint(executor: TradewindExecutor, subject: str, life_s: float) -> str:
    return workloads.token_for(executor.jwt_generator, subject, life_s=life_s)
