"""Read the log of one try from Loki, page by page. Blocking; any thread, one reader each."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Generator, Iterator

from tradewind.logs import query
from tradewind.logs.client import COUNT_PATH, LokiClient, LokiError
from tradewind.logs.identity import LogIdentity
from tradewind.logs.query import Line

log = logging.getLogger(__name__)

_BAD_REQUEST = 400
_LEAST_PAGE = 100


def read(
    client: LokiClient, logql: str, *, start_ns: int, end_ns: int, page: int = query.PAGE
) -> Generator[str, None, None] | None:
    """Return the lines from `start_ns` until `end_ns`, or None when there are none.

    The first page is read at once, the others when they are wanted; when one of those fails, the
    last line says so. The client is closed at the end.

    Raises:
        LokiError: the first page cannot be read; the sentence is for people.

    """
    found = pages(client, logql, start_ns=start_ns, end_ns=end_ns, page=page)
    try:
        first = next(found, None)
    except BaseException:
        client.close()
        raise
    if first is None:
        client.close()
        return None
    return _lines(client, itertools.chain([first], found))


def _lines(client: LokiClient, pages: Iterator[list[Line]]) -> Generator[str, None, None]:
    try:
        yield from query.joined(pages)
    except LokiError as error:
        log.warning("a log is shown without its end: %s", error)
        yield sentence(f"The log goes on, and cannot be read further: {error}")
    finally:
        client.close()


def pages(
    client: LokiClient, logql: str, *, start_ns: int, end_ns: int, page: int = query.PAGE
) -> Iterator[list[Line]]:
    """Yield the lines from `start_ns` until before `end_ns`, each once; raises LokiError."""
    seen = query.Seen()
    for from_ns, until_ns in query.ranges(start_ns, end_ns):
        while True:
            lines, page = _ask(client, logql, from_ns, until_ns, page)
            if new := seen.new(lines):
                yield new
            if len(lines) < page:
                break
            # Only where one nanosecond fills a page there is no way but past it.
            from_ns = max(seen.at_ns, from_ns + (0 if new else 1))  # noqa: PLW2901 - its progress


def _ask(
    client: LokiClient, logql: str, start_ns: int, end_ns: int, page: int
) -> tuple[list[Line], int]:
    """Return lines, and how many Loki was asked for: it may allow fewer than by default."""
    asked = {"query": logql, "start": str(start_ns), "end": str(end_ns), "direction": "forward"}
    while True:
        try:
            return query.lines_of(client.query(asked | {"limit": str(page)})), page
        except ValueError as error:
            raise _not_loki(error) from error
        except LokiError as error:
            if error.status != _BAD_REQUEST or "max entries limit" not in str(error):
                raise
            if page <= _LEAST_PAGE:
                raise
            page //= 2


def _not_loki(error: ValueError) -> LokiError:
    """Return what is told of an answer that none of Loki's kinds fits."""
    return LokiError(f"this is not Loki: {error}: check loki_url")


class TryReader:
    """Reads what a writer has sent of one environment."""

    def __init__(self, client: LokiClient, environment: str) -> None:
        self._client = client
        self._environment = environment

    def count(self, known: LogIdentity, *, last_ns: int, within_ms: int) -> int:
        """Return how many lines of a try Loki has in the time up to `last_ns`; raises LokiError."""
        counted = f"sum(count_over_time({known.query(self._environment)} [{within_ms}ms]))"
        answer = self._client.query({"query": counted, "time": str(last_ns)}, path=COUNT_PATH)
        try:
            return query.number_of(answer)
        except ValueError as error:
            raise _not_loki(error) from error

    def pages(self, known: LogIdentity, start_ns: int, end_ns: int) -> Iterator[list[Line]]:
        """Yield the lines of a try in that time; raises LokiError."""
        logql = known.query(self._environment)
        return pages(self._client, logql, start_ns=start_ns, end_ns=end_ns)


def sentence(text: str) -> str:
    """Return a line of ours for the log view, in the form of Airflow's own lines."""
    return json.dumps({"level": "error", "event": text, "logger": "tradewind.logs"})
