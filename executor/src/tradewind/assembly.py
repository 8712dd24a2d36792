"""Airflow seam: the loop side of one executor, put together. Loop thread."""

from __future__ import annotations

import functools

from tradewind import _compat, launch_records, rendering
from tradewind.bridge import Emit
from tradewind.client.connect import connect
from tradewind.clock import SystemClock
from tradewind.config import Settings
from tradewind.dispatch.engine import Engine
from tradewind.dispatch.hooks import Hooks, OnEvent, ReadAbandoned
from tradewind.dispatch.pending_judge import PendingJudge, patience
from tradewind.metrics import Metrics


def engine(
    settings: Settings,
    *,
    emit: Emit,
    scheduler: str,
    measured: Metrics,
    on_event: OnEvent,
    read_abandoned: ReadAbandoned,
    team: str = "",
) -> Engine:
    """Return an engine on connections of its own; `scheduler` is the number of its job.

    Raises:
        TradewindError: the credentials or settings are unusable.

    """
    cluster, clock = connect(settings, measured=measured), SystemClock()
    endpoint = rendering.endpoint(settings)
    return Engine(
        cluster,
        settings=settings,
        renderer=rendering.renderer(settings, scheduler=scheduler, endpoint=endpoint),
        read_facts=_compat.read_facts,
        emit=emit,
        clock=clock,
        hooks=Hooks(
            endpoint=endpoint,
            on_event=on_event,
            measured=measured,
            judge_pending=PendingJudge(
                cluster, patience=patience(settings.pending_limits_s), clock=clock
            ),
            read_strays=_compat.read_strays,
            read_abandoned=read_abandoned,
            is_refiller=functools.partial(_compat.is_first_scheduler, scheduler),
            records=launch_records,
            team=team,
        ),
        scheduler=scheduler,
    )
