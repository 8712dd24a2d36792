"""What an executor asked of the API server, by the server's own audit log."""

import json
import os
import time
from collections import Counter
from datetime import datetime

LOOKS_EVERY_S = 0.25
FIRST_BAD_STATUS = 300


class CallLog:
    """The log of one API server; each namespace is one measurement."""

    def __init__(self, path):
        self._path = path
        self._offset = 0
        self._rest = b""
        self._counts = {}
        self._worked = {}
        self._spans = {}

    def counts(self, namespace):
        """Return how often each verb was used there, on pods, their parts and events."""
        self._read()
        return self._counts.get(namespace, Counter())

    def worked(self, namespace):
        """Return how often each verb had its effect."""
        self._read()
        return self._worked.get(namespace, Counter())

    def rate(self, namespace, verb):
        """Return calls with effect per second, from the first that came to the last answer."""
        first_s, last_s = self._spans[namespace, verb]
        return self.worked(namespace)[verb] / (last_s - first_s)

    def await_calls(self, namespace, verb, count, *, within_s, look=lambda: None):
        """Wait until a verb had its effect so often; `look` may end the wait by raising.

        Raises TimeoutError after `within_s`.
        """
        deadline = time.monotonic() + within_s
        while (found := self.worked(namespace)[verb]) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {count} calls of {verb} within {within_s} s")
            look()
            time.sleep(LOOKS_EVERY_S)

    def _read(self):
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < self._offset:
                raise RuntimeError(
                    f"{self._path} had {self._offset} bytes and has {size}: something put it aside,"
                    " and calls would go uncounted"
                )
            file.seek(self._offset)
            *lines, self._rest = (self._rest + file.read()).split(b"\n")
            self._offset = file.tell()
        for line in lines:
            self._note(json.loads(line))

    def _note(self, event):
        if event["stage"] != "ResponseComplete":
            return
        namespace, verb = event.get("objectRef", {}).get("namespace", ""), event["verb"]
        self._counts.setdefault(namespace, Counter())[verb] += 1
        if event["responseStatus"]["code"] >= FIRST_BAD_STATUS:
            return
        self._worked.setdefault(namespace, Counter())[verb] += 1
        began_s, ended_s = map(
            _seconds, (event["requestReceivedTimestamp"], event["stageTimestamp"])
        )
        first_s, last_s = self._spans.get((namespace, verb), (began_s, ended_s))
        self._spans[namespace, verb] = min(first_s, began_s), max(last_s, ended_s)


def _seconds(stamp):
    return datetime.fromisoformat(stamp).timestamp()
