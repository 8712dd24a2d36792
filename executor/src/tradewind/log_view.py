"""Airflow seam: the log view of a task also shows what became of its pod.

For `[logging] logging_config_class = tradewind.log_view.LOGGING_CONFIG` on API servers, and with
`[tradewind] loki_url` in workers and triggerers too. Logging stays as it is; only where logs are
read, the audit log's rows about the task's pod are added, with the last lines of a pod that could
not save its log. Airflow imports this module while it sets up logging, so that everything else is
imported when a log is read.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.config_templates import airflow_local_settings
from airflow.configuration import conf

from tradewind import loki_log
from tradewind.errors import TradewindError

if TYPE_CHECKING:
    from tradewind.task_history import AuditRow

log = logging.getLogger(__name__)

Lines = Generator[str, None, None]

LOGGING_CONFIG = airflow_local_settings.DEFAULT_LOGGING_CONFIG
DEFAULT_REMOTE_CONN_ID = airflow_local_settings.DEFAULT_REMOTE_CONN_ID

_PASSING = frozenset({"pod parked", "pod pending", "pod relaunched"})
"""Rows of a launch that goes on."""


class PodLog:
    """Airflow's `RemoteLogStreamIO`: reads what another one has, and adds the pod's story."""

    def __init__(self, inner: Any) -> None:
        """Take the remote log that is configured, or None."""
        self._inner = inner

    @property
    def processors(self) -> tuple[Any, ...]:
        """Return what the remote log wants in the way of log lines."""
        return tuple(getattr(self._inner, "processors", ()))

    def upload(self, path: Any, ti: Any = None) -> None:
        """Let the remote log save the file."""
        if self._inner is not None:
            self._inner.upload(path, ti)

    def stream(self, relative_path: str, ti: Any) -> tuple[list[str], list[Lines]]:
        """Return sources and log lines of that try. Never raises for the pod's part. Blocking."""
        trouble: list[Lines] = []
        try:
            sources, streams = self._read(relative_path, ti)
        except TradewindError as error:
            sources, streams, trouble = [str(error)], [], [_trouble(error)]
        rows = _rows(ti)
        if not rows and not trouble:
            return sources, streams
        if not streams and _has_ended(ti):
            # Airflow looks for no file where an ended task has a remote log.
            found, streams = _local(relative_path)
            sources = [*sources, *found] if trouble else found
        if rows:
            sources = [*sources, "Audit log of the task"]
        kept = _kept if streams and getattr(self._inner, "may_lack_its_end", False) else None
        return sources, [*trouble, *streams, *_told(rows, has_log=bool(streams), kept=kept)]

    def read(self, relative_path: str, ti: Any) -> tuple[list[str], list[str]]:
        """Return the same at once."""
        sources, streams = self.stream(relative_path, ti)
        return sources, ["\n".join(lines) for lines in streams]

    def _read(self, relative_path: str, ti: Any) -> tuple[list[str], list[Lines]]:
        if self._inner is None:
            return [], []
        if hasattr(self._inner, "stream"):
            sources, streams = self._inner.stream(relative_path, ti)
            return list(sources), list(streams or ())
        sources, texts = self._inner.read(relative_path, ti)
        return list(sources), [_lines(text) for text in texts or ()]


REMOTE_TASK_LOG = PodLog(
    loki_log.configured(conf, folder=airflow_local_settings.BASE_LOG_FOLDER)
    or airflow_local_settings.REMOTE_TASK_LOG
)


def _rows(ti: Any) -> list[AuditRow]:
    from tradewind import audit, contract, task_history  # noqa: PLC0415

    try:
        rows = task_history.audit_rows(ti, try_number=ti.try_number, prefix=audit.PREFIX, others=())
        # A healthy task's view is its log; figures are for `airflow tradewind why` and programs.
        return [row for row in rows if row.event != contract.EVENT_MEASURED]
    except Exception:
        log.exception("cannot read what the audit log has on the pod of a task")
        return []


def _told(
    rows: list[AuditRow], *, has_log: bool, kept: Callable[[AuditRow], Lines] | None = None
) -> Iterator[Lines]:
    """Return a stream of sentences, and one for each kept log that nobody else has, or `kept`."""
    from tradewind.audit import EVENTS  # noqa: PLC0415

    yield _sentences([row for row in rows if row.event != EVENTS["log"]])
    if not has_log:
        for row in rows:
            if row.event == EVENTS["log"]:
                yield _lines(row.text)
    elif kept is not None:
        for row in rows:
            if row.event == EVENTS["log"]:
                yield kept(row)


def _trouble(error: TradewindError) -> Lines:
    # Without a time, which sorts it before everything that the log has elsewhere.
    said = f"The stored log cannot be read now; what else is known of the task follows. {error}"
    yield json.dumps({"level": "error", "event": said, "logger": "tradewind"})


def _kept(row: AuditRow) -> Lines:
    """Return what the pod wrote last, in one place: its very end may be nowhere else."""
    events = ["::group::Last output of the pod", *row.text.splitlines(), "::endgroup::"]
    for event in events:
        yield json.dumps({"timestamp": row.at, "event": event, "logger": "tradewind"})


def _sentences(rows: list[AuditRow]) -> Lines:
    for row in rows:
        level = "warning" if row.event in _PASSING else "error"
        told = {"timestamp": row.at, "level": level, "event": f"{row.event}: {row.text}"}
        yield json.dumps(told | {"logger": "tradewind"})


def _lines(text: str) -> Lines:
    yield from text.splitlines()


def _has_ended(ti: Any) -> bool:
    from airflow.utils.state import State  # noqa: PLC0415

    return ti.state not in State.unfinished


def _local(relative_path: str) -> tuple[list[str], list[Lines]]:
    """Return the log files of that try on a volume that is shared with its pod, if there is one."""
    base = Path(airflow_local_settings.BASE_LOG_FOLDER).resolve()
    path = base / relative_path
    found = [
        file
        for file in sorted(path.parent.glob(f"{path.name}*"))
        if file.is_file() and file.resolve().is_relative_to(base)
    ]
    return [str(file) for file in found], [_file(file) for file in found]


def _file(path: Path) -> Lines:
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            yield line.rstrip("\n")
