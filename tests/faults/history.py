"""One merged history of a script: JSON lines in order of time, and questions to it. Pure.

Every record has `at_s` (seconds since the epoch), `source` and `kind`. The sources:
  run        `begin` (script), `healed` (the last fault is over), `over`
  database   `row`: a task instance whenever a sample of it differs from the one before;
             `heartbeat`: the latest of a scheduler's job, in seconds since the epoch
  audit      `call`: a call of the executor as the API server took it
  proxy      `call`, `event`: what the executor asked, and what was done to it; `broken`: the proxy
             itself failed
  worker     `boarded`, `refused`, `start`, `end`, `stopped`: what the stub worker really did;
             `deleted`, `evicted`: what befell its pod; `untold`, `broken`: the stage itself failed
  program    `killed`, `stopped`, `went-on`, `started`, `exited` (by itself)
  cluster    `pods`: names of the pods there are in the end
  executor   `gauge`: what an executor says of itself
  log        `secret`: a token was found where none belongs
"""

import json
from dataclasses import dataclass
from functools import cached_property


def write(path, records):
    """Write the records in order of time."""
    ordered = sorted(records, key=lambda record: record["at_s"])
    path.write_text("".join(json.dumps(record, default=str) + "\n" for record in ordered))


def read(path):
    """Return the history in that file."""
    return History([json.loads(line) for line in path.read_text().splitlines()])


@dataclass(frozen=True)
class Try:
    """One try of a task, as the database has it."""

    row_id: str
    map_index: int
    try_number: int

    def __str__(self):
        return f"task {self.map_index}, try {self.try_number} (row {self.row_id})"


class History:
    """The records of one script, in order of time."""

    def __init__(self, records):
        self.records = sorted(records, key=lambda record: record["at_s"])

    def require_complete(self):
        """Raise ValueError when it does not tell when it began, was healed, and was over."""
        _ = (self.began_s, self.healed_s, self.over_s)

    def of(self, source, *kinds):
        """Return the records of a source, of all kinds or of these."""
        return [
            record
            for record in self.records
            if record["source"] == source and (not kinds or record["kind"] in kinds)
        ]

    @cached_property
    def began_s(self):
        return self._time_of("begin")

    @cached_property
    def healed_s(self):
        return self._time_of("healed")

    @cached_property
    def over_s(self):
        return self._time_of("over")

    @cached_property
    def script(self):
        return next(record["script"] for record in self.of("run", "begin"))

    @cached_property
    def rows(self):
        """Samples of each try, oldest first."""
        found = {}
        for record in self.of("database", "row"):
            one = Try(record["row_id"], record["map_index"], record["try_number"])
            found.setdefault(one, []).append(record)
        return found

    @cached_property
    def last_of_task(self):
        """The last sample of each task, by map index."""
        return {record["map_index"]: record for record in self.of("database", "row")}

    def tells_of_failure(self):
        """Tell whether any task failed by its own code."""
        return any(mark["state"] == "failed" for mark in self.of("worker", "end"))

    def marks(self, *kinds):
        """Return the worker's marks of those kinds by (map index, try number)."""
        found = {}
        for record in self.of("worker", *kinds):
            key = (record["map_index"], record["try_number"])
            found.setdefault(key, []).append(record)
        return found

    def spans(self, *, targets, blows=("kill", "stop"), grace_s=0.0):
        """Return when such programs were not themselves, as (from, until), with grace after it."""
        return [
            (self.began_s + blow["at_s"], self.began_s + blow["at_s"] + blow["for_s"] + grace_s)
            for blow in self.script["disturbances"]
            if blow["target"] in targets and blow["blow"] in blows
        ]

    def _time_of(self, kind):
        found = self.of("run", kind)
        if not found:
            raise ValueError(f"the history has no {kind!r}: it is not complete")
        return found[0]["at_s"]


def overlaps(spans, *, from_s, until_s):
    """Tell whether any span touches that time."""
    return any(begin <= until_s and end >= from_s for begin, end in spans)
