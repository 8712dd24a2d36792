"""One executor as the scheduler has it, in a process of its own, timed: for `executor_costs.py`.

Three tasks for it: `run` queues workloads whose rows are in the database and beats until each has
ended, `hold` keeps pods whose tasks begin and never end, `construct` makes executors and starts
none. The answer is a JSON file; a `run` goes on beating until its standard input ends, so that
whoever counts calls can wait for the last.
"""

import argparse
import gc
import json
import os
import sys
import threading
import time
import uuid
from pathlib import Path
from pkgutil import resolve_name

from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import insert, text

JOB = 1
HEARTBEAT_S = 0.2
GIVE_UP_S = 600
FIRST_LIVE = 500
"""Pods held before memory is looked at: what comes once has come by then."""
CONSTRUCTED = 100


class Stopwatch:
    """Seconds that a thread spends in what it calls: wall, processor, and waiting for a core.

    The last is the machine's share: other processes, and this one's other threads, held the cores.
    """

    def __init__(self):
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self.reset()

    def reset(self):
        self.wall_s = self.cpu_s = self.no_core_s = 0.0
        self.longest_s = self.longest_no_core_s = 0.0

    def call(self, function, *arguments, **named):
        waited, cpu, began = self._waited_s(), time.thread_time(), time.perf_counter()
        answer = function(*arguments, **named)
        took = time.perf_counter() - began
        no_core = self._waited_s() - waited
        self.wall_s += took
        self.cpu_s += time.thread_time() - cpu
        self.no_core_s += no_core
        if took > self.longest_s:
            self.longest_s, self.longest_no_core_s = took, no_core
        return answer

    def _waited_s(self):
        return int(self._schedule.read_text().split()[1]) / 1e9


def insert_rows(count):
    """Insert the rows of queued task instances as mapped ones of one run; return workloads."""
    common = {
        "dag_id": "bench",
        "task_id": "work",
        "run_id": f"manual__{uuid.uuid4().hex[:8]}",
        "try_number": 1,
        "pool_slots": 1,
        "queue": "default",
        "priority_weight": 1,
    }
    each = [
        {"id": uuid.uuid4(), "map_index": number, "external_executor_id": str(uuid.uuid4())}
        for number in range(count)
    ]
    more = {
        "state": TaskInstanceState.QUEUED,
        "queued_by_job_id": JOB,
        "max_tries": 0,
        "pool": "default_pool",
        "span_status": "ended",
    }
    with create_session() as session:
        session.execute(text("PRAGMA foreign_keys=OFF"))
        session.execute(insert(TaskInstance.__table__), [common | more | row for row in each])
    version = uuid.uuid4()
    return [
        ExecuteTask(
            ti=TaskInstanceDTO(dag_version_id=version, **common, **row),
            dag_rel_path="d.py",
            token="",
            log_path="log",
            bundle_info=BundleInfo(name="bench"),
        )
        for row in each
    ]


def started(path, count):
    executor = resolve_name(path)(parallelism=count + 1)
    # Upstream's takes this from the settings, whatever its constructor is told.
    executor.parallelism = count + 1
    executor.job_id = JOB
    executor.start()
    return executor


def run(path, count, answer_to):
    """Queue all tasks at once and beat until each has ended."""
    tasks = insert_rows(count)
    executor = started(path, count)
    beats, own, sync = Stopwatch(), Stopwatch(), Stopwatch()
    inner, process = executor.sync, executor._process_workloads
    executor.sync = lambda: own.call(sync.call, inner)
    executor._process_workloads = lambda workloads: own.call(process, workloads)
    for _ in range(5):
        executor.heartbeat()  # What is done once, as reading settings.
        time.sleep(HEARTBEAT_S)
    for stopwatch in (beats, own, sync):
        stopwatch.reset()
    began_s, ended = time.monotonic(), 0
    for work in tasks:
        executor.queue_workload(work, session=None)  # Airflow's own, into a dict.
    processes = 0
    while ended < count:
        beats.call(executor.heartbeat)
        events = executor.get_event_buffer().values()
        ended += sum(state in {"success", "failed"} for state, _ in events)
        processes = max(processes, len(children()))
        assert time.monotonic() - began_s < GIVE_UP_S, f"{ended} of {count} ended"
        time.sleep(HEARTBEAT_S)
    took_s = time.monotonic() - began_s
    figures = {
        "tasks": count,
        "tasks_per_s": count / took_s,
        "blocked_ms_per_task": 1000 * own.wall_s / count,
        "cpu_ms_per_task": 1000 * own.cpu_s / count,
        "no_core_ms_per_task": 1000 * own.no_core_s / count,
        "heartbeats_ms_per_task": 1000 * beats.wall_s / count,
        "longest_sync_ms": 1000 * sync.longest_s,
        "longest_sync_no_core_ms": 1000 * sync.longest_no_core_s,
        "longest_heartbeat_ms": 1000 * beats.longest_s,
        "longest_heartbeat_no_core_ms": 1000 * beats.longest_no_core_s,
        "processes": processes,
    }
    write(answer_to, figures)
    beating = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), beating.set()), daemon=True).start()
    while not beating.wait(HEARTBEAT_S):
        executor.heartbeat()
    executor.end()


def hold(path, count, answer_to):
    """Let tasks begin that do not end; weigh them once all run."""
    tasks = insert_rows(FIRST_LIVE + count)
    executor = started(path, len(tasks))
    await_live(executor, tasks[:FIRST_LIVE], FIRST_LIVE)
    before = memory_mb()
    await_live(executor, tasks[FIRST_LIVE:], len(tasks))
    grown = memory_mb() - before
    figures = {
        "live": count,
        "mb_per_10k": grown * 10_000 / count,
        "processes": len(children()),
        "threads": threading.active_count() - 1,
    }
    write(answer_to, figures)
    os._exit(0)  # Nobody waits until thousands of pods are gone.


def await_live(executor, tasks, live):
    """Queue tasks and beat until they run."""
    for work in tasks:
        executor.queue_workload(work, session=None)
    deadline = time.monotonic() + GIVE_UP_S
    while at_work(executor) < live:
        executor.heartbeat()
        assert time.monotonic() < deadline, f"{at_work(executor)} of {live} tasks run"
        time.sleep(HEARTBEAT_S)
    for _ in range(10):  # What the watch still has to say.
        executor.heartbeat()
        time.sleep(HEARTBEAT_S)
    gc.collect()


def at_work(executor):
    """Return how many of our executor's tasks have begun."""
    stats = executor._loop._bridge.stats()
    return stats.running - stats.starting


def construct(path, answer_to):
    """Make executors as Airflow does to ask one for a log; tell what they opened."""
    kind = resolve_name(path)
    kind(parallelism=1)  # Settings are read, modules imported.
    before = opened()
    made = [kind(parallelism=1) for _ in range(CONSTRUCTED)]
    after = opened()
    figures = {name: after[name] - before[name] for name in before}
    write(answer_to, {"constructed": len(made), **figures})


def opened():
    threads = len(list(Path("/proc/self/task").iterdir()))
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"threads": threads, "files_and_sockets": files, "processes": len(children())}


def children():
    """Return the ids of this process's children, and of theirs."""
    found, look = [], [os.getpid()]
    while look:
        tasks = Path(f"/proc/{look.pop()}/task").glob("*/children")
        below = [int(child) for file in tasks for child in file.read_text().split()]
        found += below
        look += below
    return found


def memory_mb():
    """Return what this process takes."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def write(path, figures):
    """Write the answer, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures))
    partial.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "hold", "construct"))
    parser.add_argument("executor", help="path of its class")
    parser.add_argument("answer", type=Path)
    parser.add_argument("--count", type=int, default=0)
    options = parser.parse_args()
    if options.what == "construct":
        construct(options.executor, options.answer)
    else:
        globals()[options.what](options.executor, options.count, options.answer)


if __name__ == "__main__":
    main()
