"""Rows of the audit log in the Airflow UI that tell what became of a task's pod.

`note` may be called from any thread and only remembers; `flush` runs in `sync()` on the
scheduler's thread and hands over what was noted since; the scheduler saves the rows itself.
Neither raises.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass, field
from typing import Any

from tradewind import contract
from tradewind.dispatch.hooks import LaunchRef

log = logging.getLogger(__name__)

PREFIX = "pod "
"""Begins the event of every row of ours; `airflow tradewind why` selects by it."""
EVENTS = {
    "refused": "pod refused",
    "parked": "pod parked",
    "pending": "pod pending",
    "relaunched": "pod relaunched",
    "failed": "pod failed",
    "explained": "pod failed",
    "log": "pod log",
    "measured": contract.EVENT_MEASURED,
}
"""Event of a row by the kind of its note; docs/contract.md names them for users."""
_UNTOLD = frozenset({"ended", "revoked"})
"""Events of the dispatcher that are no news: every healthy pod ends, and what failed is noted as
`failed` when the scheduler is told; a revoked task has the scheduler's own row."""

_EVENT_CHARS = 60
"""Width of Airflow's column; a longer text fails the whole batch."""
_MOST_PER_KIND = 5
"""Rows of one kind for one launch; what waits for a day must not fill the table."""

LogTaskEvent = Callable[..., None]
"""`BaseExecutor.log_task_event(*, event, extra, ti_key)`."""


@dataclass(slots=True)
class AuditLog:
    """Notes on launches on their way into the audit log."""

    log_task_event: LogTaskEvent
    rows: deque[Any]
    """The executor's `_task_event_logs`, which `log_task_event` fills and the scheduler empties."""
    _noted: deque[tuple[str, Hashable, str]] = field(default_factory=deque)
    _said: dict[Hashable, dict[str, set[str]]] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)

    def note(self, kind: str, key: Hashable, sentence: str) -> None:
        """Remember that `sentence` holds for the workload `key`. Any thread; never raises.

        The same sentence is written once per launch and kind, and at most five different ones.
        """
        self._noted.append((kind, key, sentence))

    def on_event(self, kind: str, launch: LaunchRef, sentence: str) -> None:
        """Note what the dispatcher tells (`Hooks.on_event`). Loop thread; never raises."""
        if kind not in _UNTOLD:
            self.note(kind, launch.key, sentence)

    def forget(self, key: Hashable) -> None:
        """Take note that the workload is launched anew: the new launch speaks for itself."""
        self._said.pop(key, None)

    def flush(self, live: Container[Hashable]) -> None:
        """Hand what was noted to the scheduler; forget what is not `live` any more.

        Scheduler's thread; never raises.
        """
        self._let_go()
        while self._noted:
            kind, key, sentence = self._noted.popleft()
            try:
                if self._is_news(kind, key, sentence):
                    self._write(kind, key, sentence)
            except Exception:
                log.exception("cannot write the audit log row %r of %s", kind, key)
        for key in [key for key in self._said if key not in live]:
            del self._said[key]

    def _let_go(self) -> None:
        """Drop our references to rows that the scheduler has saved.

        Airflow 3.3.2 hands them to SQLAlchemy through a generator that keeps none, and they are
        collected before the INSERT, which then fails. Ours keep them alive until the deque is
        empty, which it is once the scheduler has been through it.
        """
        if not self.rows:
            self._kept.clear()

    def _write(self, kind: str, key: Hashable, sentence: str) -> None:
        event = EVENTS.get(kind, f"{PREFIX}{kind}")[:_EVENT_CHARS]
        self.log_task_event(event=event, extra=sentence, ti_key=key)
        if self.rows:
            self._kept.append(self.rows[-1])

    def _is_news(self, kind: str, key: Hashable, sentence: str) -> bool:
        by_kind = self._said.setdefault(key, {})
        said = by_kind.setdefault(kind, set())
        if sentence in said or len(said) >= _MOST_PER_KIND:
            return False
        if kind == "failed" and sentence in by_kind.get("refused", ()):
            return False  # A refused pod is a failed task: one row tells both.
        said.add(sentence)
        return True
