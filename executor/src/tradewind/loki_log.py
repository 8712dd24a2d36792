"""Airflow seam: task logs in Loki, as the remote log that Airflow's log view and workers know.

A worker's supervisor and the triggerer pass each line through `processors` before it is written to
the try's file; the first one of a file lets the shipper follow that file. `upload` is called when
the task has ended. API servers call `stream`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.logs import identity, settings
from tradewind.logs.settings import LokiSettings

if TYPE_CHECKING:
    from tradewind.logs.shipper import Shipper

log = logging.getLogger(__name__)

MARGIN = timedelta(minutes=10)
"""For clocks that differ between pods, schedulers and the database."""
UNKNOWN = timedelta(days=1)
"""How far back a log is looked for whose beginning nobody knows."""

_shown = threading.local()


class LokiLog:
    """Airflow's `RemoteLogStreamIO` over Loki."""

    may_lack_its_end = True
    """Where a whole container is killed at once, what it wrote last was not sent yet."""

    def __init__(self, loki: LokiSettings, *, folder: str) -> None:
        """Take where Loki is, and Airflow's log folder. Opens and starts nothing."""
        self._loki = loki
        self._folder = Path(folder)
        self._prefix = f"{folder.rstrip('/')}/"

    @property
    def processors(self) -> tuple[Any, ...]:
        """Return what sees each log line before it is written."""
        return (self._follow,)

    def upload(self, path: Any, ti: Any = None) -> None:  # noqa: ARG002 - Airflow's signature
        """Send the rest of a log; waits for `loki_flush_timeout` at most."""
        full = str(self._folder / path)
        if ".log.trigger" in Path(full).name:
            # The triggerer runs on: nobody else's triggers wait for this one's log.
            self._shipper.release(full)
        else:
            self._shipper.flush(full)

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[Generator[str]]]:
        """Return sources and the lines of that try. Blocking.

        Raises:
            LokiError: Loki cannot be read; the sentence is for people.

        """
        from tradewind.logs import grafana, reader  # noqa: PLC0415 - only where logs are read
        from tradewind.logs.client import LokiClient  # noqa: PLC0415

        _shown.ti = None
        known = identity.of(relative_path)
        if known is None:
            return [], []
        logql = known.query(self._loki.environment)
        start_ns, end_ns = map(_nanoseconds, _range(ti))
        lines = reader.read(LokiClient(self._loki), logql, start_ns=start_ns, end_ns=end_ns)
        _shown.ti = _key(ti) if lines is not None else None
        sources = [f"Loki {self._loki.url}: {logql}"]
        if self._loki.grafana_url:
            shown = grafana.link(
                self._loki.grafana_url,
                datasource=self._loki.grafana_datasource,
                logql=logql,
                start_ns=start_ns,
                end_ns=end_ns,
            )
            sources.append(f"Open in Grafana: {shown}")
        return sources, [] if lines is None else [lines]

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Return the same at once."""
        sources, streams = self.stream(relative_path, ti)
        return sources, ["\n".join(lines) for lines in streams]

    @cached_property
    def _shipper(self) -> Shipper:
        from tradewind.logs.shipper import Shipper  # noqa: PLC0415 - only where logs are written

        return Shipper(self._loki, folder=self._folder, on_lost=_count)

    def _follow(self, logger: Any, _: str, event: Any) -> Any:
        """Let the shipper know of the file behind the logger; every other logger is passed by."""
        file = getattr(logger, "_file", None)
        name = getattr(file, "name", None)
        if isinstance(name, str) and name.startswith(self._prefix):
            try:
                self._shipper.follow(name, offset=file.tell() if file is not None else 0)
            except Exception:
                log.exception("the log %s cannot be sent to Loki", name)
        return event


def configured(conf: Any, *, folder: str) -> LokiLog | None:
    """Return the log in Loki that is configured, if there is one; a bad setting is told once."""
    from tradewind.errors import ConfigError  # noqa: PLC0415 - Airflow sets up logging meanwhile

    try:
        loki = settings.load(conf)
    except ConfigError as error:
        log.error("task logs do not go to Loki: %s", error)  # noqa: TRY400 - a sentence
        return None
    return None if loki is None else LokiLog(loki, folder=folder)


def was_shown(ti: Any) -> bool:
    """Return whether this thread has just read that try's lines from Loki. Once."""
    shown, _shown.ti = getattr(_shown, "ti", None), None
    return shown is not None and shown == _key(ti)


def _key(ti: Any) -> tuple[Any, ...]:
    return (ti.dag_id, ti.task_id, ti.run_id, ti.map_index, ti.try_number)


def _range(ti: Any) -> tuple[datetime, datetime]:
    """Return between which times the try may have written lines."""
    from airflow.utils.state import State  # noqa: PLC0415 - only where logs are read

    now = datetime.now(UTC)
    is_over = ti.end_date is not None and ti.state not in State.unfinished
    end = ti.end_date if is_over else now
    began = [at for at in (ti.queued_dttm, ti.start_date, _first_poke(ti)) if at is not None]
    start = min(began, default=end - UNKNOWN)
    return start - MARGIN, max(end, start) + MARGIN


def _first_poke(ti: Any) -> datetime | None:
    """Return when a task that is rescheduled over and over began; each time has a new start."""
    from airflow.models.taskreschedule import TaskReschedule  # noqa: PLC0415 - imports the models
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import func, select  # noqa: PLC0415

    try:
        with create_session(scoped=False) as session:
            asked = select(func.min(TaskReschedule.start_date)).where(TaskReschedule.ti_id == ti.id)
            return session.scalar(asked)
    except Exception:
        log.exception("cannot tell when a task was first rescheduled")
        return None


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp()) * 10**9


def _count(lines: int) -> None:
    from tradewind import metrics  # noqa: PLC0415 - rare
    from tradewind.airflow_stats import AirflowMetrics  # noqa: PLC0415

    AirflowMetrics().count(metrics.LOG_LINES_LOST, lines)
