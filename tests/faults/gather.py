"""Readers of what a run leaves behind: the database, the audit log, gauges, logs."""

import contextlib
import datetime as dt
import json
import re
import socket
import threading
import time

import psycopg2

SAMPLED_EVERY_S = 0.25
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}")
ROWS = """
SELECT id::text, map_index, try_number, state, external_executor_id
FROM task_instance WHERE dag_id = %s AND map_index >= 0
"""
BEATS = """
SELECT id, extract(epoch FROM latest_heartbeat) FROM job
WHERE job_type = 'SchedulerJob' AND state = 'running'
"""


def connected(*, port, user):
    """Return a connection to the database; no statement takes more than three seconds."""
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=port,
        user=user,
        dbname="postgres",
        connect_timeout=3,
        options="-c statement_timeout=3000",
    )
    connection.autocommit = True
    return connection


class Sampler:
    """Samples rows of one DAG, and heartbeats, in a thread; a database that is away is waited for.

    `tell` is called with (source, kind, fields) from that thread.
    """

    def __init__(self, *, connect, dag_id, tell):
        self._connect = connect
        self._dag_id = dag_id
        self._tell = tell
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._last = {}
        self.states = {}
        """State by map index, as of the last sample."""

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join(30)

    def _run(self):
        while not self._is_over.is_set():
            with contextlib.suppress(psycopg2.Error), contextlib.closing(self._connect()) as opened:
                while not self._is_over.wait(SAMPLED_EVERY_S):
                    self._sample(opened.cursor())
            self._is_over.wait(SAMPLED_EVERY_S)

    def _sample(self, cursor):
        cursor.execute(ROWS, (self._dag_id,))
        for row_id, map_index, try_number, state, launch_id in cursor.fetchall():
            sample = (try_number, state, launch_id)
            self.states[map_index] = state
            if self._last.get(row_id) == sample:
                continue
            self._last[row_id] = sample
            fields = {"row_id": row_id, "map_index": map_index, "try_number": try_number}
            self._tell("database", "row", **fields, state=state, launch_id=launch_id)
        cursor.execute(BEATS)
        for job_id, beat_s in cursor.fetchall():
            self._tell("database", "heartbeat", job_id=job_id, beat_s=float(beat_s))


class Gauges:
    """Receives what executors say of themselves, as StatsD datagrams, in a thread."""

    def __init__(self, *, tell):
        self._tell = tell
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.5)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.running = {}
        """Running tasks by scheduler, as last told."""

    @property
    def port(self):
        return self._socket.getsockname()[1]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join(5)
        self._socket.close()

    def _run(self):
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                for line in self._socket.recv(65536).decode(errors="replace").splitlines():
                    self._take(line)

    def _take(self, line):
        found = re.match(r"([\w-]+)\.(executor\.running_tasks):([\d.]+)\|g", line)
        if found is None:
            return
        scheduler, name, value = found[1], found[2], float(found[3])
        if self.running.get(scheduler) != value:
            self.running[scheduler] = value
        self._tell("executor", "gauge", scheduler=scheduler, name=name, value=value)


def audited(path, *, from_s):
    """Return the records of the API server's audit log since a time."""
    records = []
    for line in path.read_bytes().splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            records += _audited(event, line, from_s)
    return records


def _audited(event, line, from_s):
    at_s = _seconds(event["requestReceivedTimestamp"])
    if at_s < from_s or event["stage"] not in {"ResponseComplete", "Panic"}:
        return
    of = event.get("objectRef", {})
    status = event.get("responseStatus", {}).get("code", 0)
    common = {"at_s": at_s, "verb": event["verb"], "name": of.get("name", ""), "code": status}
    if of.get("resource") == "pods":
        yield {"source": "audit", "kind": "call"} | common
    if TOKEN.search(line):
        where = f"the {event['verb']} of {of.get('resource')} {of.get('name', '')}"
        yield {"at_s": at_s, "source": "log", "kind": "secret", "where": where}


def _seconds(text):
    return dt.datetime.fromisoformat(text).timestamp()


class Logs:
    """Looks for tokens in logs, each byte once."""

    def __init__(self, folder, pattern):
        self._folder = folder
        self._pattern = pattern
        self._read = {}

    def secrets(self):
        """Return a record for each log in which a token was written since the last look."""
        records = []
        for file in sorted(self._folder.glob(self._pattern)):
            with file.open("rb") as log:
                log.seek(self._read.get(file, 0))
                text = log.read()
                self._read[file] = log.tell()
            if TOKEN.search(text):
                where = f"the log {file.name}"
                records.append(
                    {"at_s": time.time(), "source": "log", "kind": "secret", "where": where}
                )
        return records
