"""Log lines as JSON objects, one a line, also of what the libraries log through `logging`.

`more` is where another receiver of the same records joins, such as the shipping of logs.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from loguru import Message, Record

_TEXT_CHARS = 8_000

Receiver = Callable[[dict[str, Any]], None]
"""Gets each line as a mapping. Called on the thread that logs; must not block."""


class _ToLoguru(logging.Handler):
    """Hands records of `logging` to loguru under their own logger's name."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno

        def renamed(line: Record) -> None:
            line["name"] = record.name

        bound = logger.patch(renamed)
        bound.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def configure(level: str, *, more: Sequence[Receiver] = ()) -> None:
    """Write JSON lines to stdout from now on."""
    logger.remove()
    receivers = (_print, *more)

    def sink(message: Message) -> None:
        line = as_mapping(message.record)
        for receive in receivers:
            receive(line)

    logger.add(sink, level=level.upper(), format="{message}", catch=True)
    logging.basicConfig(handlers=[_ToLoguru()], level=level.upper(), force=True)
    # Every event of every pod at its INFO; what the janitor does is told by the janitor.
    for chatty in ("kopf.objects", "kopf.activities", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def as_mapping(record: Record) -> dict[str, Any]:
    """Return a line's content; what was bound to it stands beside the message."""
    line: dict[str, Any] = {
        "timestamp": record["time"].isoformat(),
        "level": record["level"].name.lower(),
        "logger": record["name"],
        "event": record["message"][:_TEXT_CHARS],
        **record["extra"],
    }
    failed = record["exception"]
    if failed is not None:
        text = traceback.format_exception(failed.type, failed.value, failed.traceback)
        line["error_detail"] = "".join(text)[-_TEXT_CHARS:]
    return line


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()
