"""One executor as the scheduler has it, in a process of its own, timed: for `side_by_side.py`.

What it can do: `run` queues workloads whose rows are in the database as they become due and beats
until each has ended; `submit` queues all at once and beats; `hold` keeps pods whose tasks begin
and never end; `adopt` takes over what a `hold` left; `construct` makes executors and starts none.
The answer is a JSON file; a `run` or `submit` goes on beating until its standard input ends, so
that whoever counts calls can wait for the last.
"""

import argparse
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path
from pkgutil import resolve_name

import shapes
from subject_process import (
    JOB,
    Stopwatch,
    cpu_s,
    insert_rows,
    memory_mb,
    opened,
    processes,
    rows_of,
)

HEARTBEAT_S = 0.05
"""Between two heartbeats: less than what a scheduler itself takes when it has work."""
GIVE_UP_S = 900
FIRST_LIVE = 500
"""Pods held before memory is looked at: what comes once has come by then."""
CONSTRUCTED = 100
ENDS = frozenset({"success", "failed"})


def made(path, parallelism, *, job=JOB):
    executor = resolve_name(path)(parallelism=parallelism)
    # Upstream's takes this from the settings, whatever its constructor is told.
    executor.parallelism = parallelism
    executor.job_id = job
    return executor


def started(path, parallelism):
    executor = made(path, parallelism)
    executor.start()
    for _ in range(5):
        executor.heartbeat()  # What is done once, as reading settings.
        time.sleep(HEARTBEAT_S)
    return executor


class Timed:
    """An executor whose part of the heartbeats is timed."""

    def __init__(self, executor):
        self.executor = executor
        self.own, self.sync = Stopwatch(), Stopwatch()
        inner, process = executor.sync, executor._process_workloads
        executor.sync = lambda: self.own.call(self.sync.call, inner)
        executor._process_workloads = lambda workloads: self.own.call(process, workloads)

    def ended(self):
        """Beat once; return the numbers of the tasks that have ended since."""
        self.executor.heartbeat()
        events = self.executor.get_event_buffer().items()
        return [(key.map_index, state) for key, (state, _) in events if state in ENDS]


def run(options):
    """Queue tasks as they become due and beat until each has ended."""
    shape = shapes.all_of(options.count)[options.shape]
    tasks = insert_rows(len(shape))
    executor = started(options.executor, len(tasks) + 1)
    timed, due = Timed(executor), shape.due_after()
    idle_mb, used_s, began_s = memory_mb(), cpu_s(), time.monotonic()
    states, queue = {}, shape.due_at_once()
    while len(states) < len(tasks):
        for number in queue:
            executor.queue_workload(tasks[number], session=None)  # Airflow's own, into a dict.
        ended = timed.ended()
        states.update(ended)
        queue = [follower for number, _ in ended for follower in due[number]]
        assert time.monotonic() - began_s < GIVE_UP_S, f"{len(states)} of {len(tasks)} ended"
        if not queue:
            time.sleep(HEARTBEAT_S)
    took_s, used_s = time.monotonic() - began_s, cpu_s() - used_s
    failed = sum(state != "success" for state in states.values())
    assert not failed, f"{failed} of {len(tasks)} tasks failed"
    each_ms = 1000 / len(tasks)
    figures = {
        "shape": shape.name,
        "tasks": len(tasks),
        "tasks_per_s": len(tasks) / took_s,
        "blocked_ms_per_task": each_ms * timed.own.wall_s,
        "no_core_ms_per_task": each_ms * timed.own.no_core_s,
        "cpu_ms_per_task": each_ms * used_s,
        "longest_sync_ms": 1000 * timed.sync.longest_s,
        "longest_sync_no_core_ms": 1000 * timed.sync.longest_no_core_s,
        "processes": len(processes()) - 1,
        "idle_mb": idle_mb,
        "mb": memory_mb(),
    }
    write(options.answer, figures)
    beat_on(executor)


def submit(options):
    """Queue all tasks, or the first; who counts the calls knows when their pods are there."""
    tasks = insert_rows(options.count)
    executor = started(options.executor, len(tasks) + 1)
    write(options.answer, {"run_id": tasks[0].ti.run_id})
    for work in tasks[: options.queued]:
        executor.queue_workload(work, session=None)
    beat_on(executor)


def beat_on(executor):
    """Beat until standard input ends; then leave, for nobody waits until thousands of pods go."""
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    while not over.wait(HEARTBEAT_S):
        executor.heartbeat()
    leave()


def leave():
    """End this process and those below it at once."""
    for process in processes()[1:]:
        process.kill()
    os._exit(0)


def hold(options):
    """Let tasks begin that do not end; weigh them once all run."""
    tasks = insert_rows(options.count)
    executor = started(options.executor, len(tasks) + 1)
    await_live(executor, tasks[:FIRST_LIVE], FIRST_LIVE)
    before = memory_mb()
    await_live(executor, tasks[FIRST_LIVE:], len(tasks))
    grown = memory_mb() - before
    figures = {
        "mb_per_10k": grown * 10_000 / (len(tasks) - FIRST_LIVE),
        "run_id": tasks[0].ti.run_id,
    }
    write(options.answer, figures)
    leave()


def await_live(executor, tasks, live):
    """Queue tasks and beat until they run."""
    for work in tasks:
        executor.queue_workload(work, session=None)
    deadline = time.monotonic() + GIVE_UP_S
    while at_work(executor) < live:
        executor.heartbeat()
        assert time.monotonic() < deadline, f"{at_work(executor)} of {live} tasks run"
        time.sleep(HEARTBEAT_S)
    for _ in range(40):  # What the watch still has to say.
        executor.heartbeat()
        time.sleep(HEARTBEAT_S)
    gc.collect()


def at_work(executor):
    """Return how many of our executor's tasks have begun."""
    stats = executor._loop._bridge.stats()
    return stats.running - stats.starting


def adopt(options):
    """Take over the tasks of a dead scheduler, as another does that starts: first of all."""
    orphans = rows_of(options.run_id, queued_by=options.job - 1)
    assert len(orphans) == options.count, f"{len(orphans)} of {options.count} rows are there"
    executor = made(options.executor, len(orphans) + 1, job=options.job)
    stopwatch, began_s = Stopwatch(), time.monotonic()
    executor.start()
    reset = stopwatch.call(executor.try_adopt_task_instances, orphans)
    assert not reset, f"{len(reset)} of {len(orphans)} tasks were not adopted"
    while (following := followed(executor)) < len(orphans):
        executor.heartbeat()
        assert time.monotonic() - began_s < GIVE_UP_S, f"{following} are followed"
        time.sleep(HEARTBEAT_S)
    figures = {
        "pods": len(orphans),
        "adopted_s": time.monotonic() - began_s,
        "blocked_s": stopwatch.wall_s,
        "mb": memory_mb(),
    }
    write(options.answer, figures)
    leave()


def followed(executor):
    """Return how many tasks an executor follows; of ours, whose pods it has seen as well."""
    ours = getattr(executor, "_loop", None)
    return len(executor.running) if ours is None else min(len(executor.running), at_work(executor))


def construct(options):
    """Make executors as Airflow does to ask one for a log; tell what they opened."""
    kind = resolve_name(options.executor)
    kind(parallelism=1)  # Settings are read, modules imported.
    before = opened()
    kept = [kind(parallelism=1) for _ in range(CONSTRUCTED)]
    after = opened()
    figures = {name: after[name] - before[name] for name in before}
    write(options.answer, {"constructed": len(kept), **figures})


def write(path, figures):
    """Write the answer, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures))
    partial.rename(path)


MODES = {mode.__name__: mode for mode in (run, submit, hold, adopt, construct)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=MODES)
    parser.add_argument("executor", help="path of its class")
    parser.add_argument("answer", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--shape", default="mapped")
    parser.add_argument("--queued", type=int, help="of a submit; all unless given")
    parser.add_argument("--run-id", default="", help="of what is adopted")
    parser.add_argument("--job", type=int, default=JOB + 1, help="adopts what the one before left")
    options = parser.parse_args()
    MODES[options.what](options)


if __name__ == "__main__":
    main()
