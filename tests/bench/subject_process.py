"""What a process with an executor under measurement knows of itself, and its rows. See its user.

Stopwatch, processor time and memory of the process and its children; rows of queued tasks.
"""

import threading
import time
import uuid
from pathlib import Path

import psutil
from airflow.executors.workloads import ExecuteTask
from airflow.executors.workloads.base import BundleInfo
from airflow.executors.workloads.task import TaskInstanceDTO
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import insert, text
from sqlalchemy.orm import configure_mappers, lazyload

JOB = 1


class Stopwatch:
    """Seconds that a thread spends in what it calls: wall, and waiting for a core.

    The last is the machine's share: other processes, and this one's other threads, held the cores.
    """

    def __init__(self):
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self.wall_s = self.no_core_s = 0.0
        self.longest_s = self.longest_no_core_s = 0.0

    def call(self, function, *arguments, **named):
        waited, began = self._waited_s(), time.perf_counter()
        answer = function(*arguments, **named)
        took = time.perf_counter() - began
        no_core = self._waited_s() - waited
        self.wall_s += took
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
    configure_mappers()  # A scheduler has long done so; else the first tasks would wait for it.
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


def rows_of(run_id, *, queued_by):
    """Return a run's task instances as a scheduler finds them orphaned by the job `queued_by`."""
    with create_session() as session:
        # Airflow joins the rows of runs, which are not there.
        query = session.query(TaskInstance).options(lazyload(TaskInstance.dag_run))
        found = query.filter(TaskInstance.run_id == run_id).all()
        session.expunge_all()
    for row in found:
        row.queued_by_job_id = queued_by
    return found


def processes():
    """Return this process and all below it."""
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def cpu_s():
    """Return the processor time that this process and its living children have taken."""
    return sum(sum(process.cpu_times()[:2]) for process in processes())


def memory_mb():
    """Return what this process and its children take; shared pages count by their share."""
    return sum(process.memory_full_info().pss for process in processes()) / 2**20


def opened():
    """Return what this process holds."""
    threads = len(list(Path("/proc/self/task").iterdir()))
    files = len(list(Path("/proc/self/fd").iterdir()))
    return {"threads": threads, "files_and_sockets": files, "processes": len(processes()) - 1}
