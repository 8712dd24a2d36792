"""What the executor costs: time of the scheduler's thread, calls per task, memory per live task.

A real kube-apiserver and etcd on loopback, a proxy that delays every call, and another process in
the place of kubelets. Calls are counted in the API server's audit log. Rows of task instances are
not read from a database: the answer stands in, on the same worker thread. Prints a table, or JSON.
"""

import argparse
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="tradewind-bench-")
os.environ |= {"AIRFLOW_HOME": HOME, "AIRFLOW__CORE__UNIT_TEST_MODE": "False"}

from kube_apiserver import ApiServer, _free_port  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

HERE = Path(__file__).parent
NAMESPACE = "default"
HEARTBEAT_S = 0.2
GIVE_UP_S = 300
TEMPLATE = """
kind: Pod
spec:
  automountServiceAccountToken: false
  containers: [{name: base, image: "worker:1"}]
"""
AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, resources: [{resources: [pods]}]}, {level: None}]
"""


@contextlib.contextmanager
def background(script, *arguments):
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().strip() == "ready", script
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def api_server(folder):
    policy = folder / "audit.yaml"
    policy.write_text(AUDIT)
    flags = [f"--audit-policy-file={policy}", f"--audit-log-path={folder / 'audit.log'}"]
    server = ApiServer(folder, flags=flags)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def configure(server, port, folder, **options):
    """Point the executor at the API server behind `port`."""
    certificate = base64.b64encode((server.folder / "certs" / "apiserver.crt").read_bytes())
    kubeconfig, template = folder / "kubeconfig", folder / "pod.yaml"
    template.write_text(TEMPLATE)
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority-data": certificate.decode(),
    }
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": server.token}}],
    }
    kubeconfig.write_text(json.dumps(document))
    values = {
        "NAMESPACE": NAMESPACE,
        "POD_TEMPLATE_FILE": template,
        "IN_CLUSTER": "False",
        "CONFIG_FILE": kubeconfig,
        **options,
    }
    for name, value in values.items():
        os.environ[f"AIRFLOW__TRADEWIND__{name}"] = str(value)


def workloads(count):
    from airflow.executors.workloads import ExecuteTask  # noqa: PLC0415 - after the settings
    from airflow.executors.workloads.base import BundleInfo  # noqa: PLC0415
    from airflow.executors.workloads.task import TaskInstanceDTO  # noqa: PLC0415

    for number in range(count):
        ti = TaskInstanceDTO(
            id=uuid.uuid4(),
            dag_version_id=uuid.uuid4(),
            task_id="work",
            dag_id="bench",
            run_id="manual__1",
            try_number=1,
            map_index=number,
            pool_slots=1,
            queue="default",
            priority_weight=1,
            external_executor_id=str(uuid.uuid4()),
        )
        yield ExecuteTask(
            ti=ti,
            dag_rel_path="d.py",
            token="",
            log_path="log",
            bundle_info=BundleInfo(name="bench"),
        )


@contextlib.contextmanager
def executor(tasks):
    """Start an executor; its rows say that every task it launched has succeeded."""
    from tradewind import _compat  # noqa: PLC0415
    from tradewind.dispatch.settle import TaskFacts  # noqa: PLC0415
    from tradewind.executor import TradewindExecutor  # noqa: PLC0415

    owners = {
        work.ti.id: TaskFacts(state="success", launch_id=uuid.UUID(work.ti.external_executor_id))
        for work in tasks
    }
    _compat.read_facts = lambda ids: {row_id: owners[row_id] for row_id in ids}
    _compat.read_strays = lambda _: {}
    _compat.abandoned_keys = lambda _: {}
    started = TradewindExecutor(parallelism=len(tasks) + 1)
    started.job_id = 1
    started.start()
    try:
        yield started
    finally:
        started.end()


def run(server, folder, *, latency_ms, count):
    """Run `count` tasks at once; return the figures."""
    port = server.port
    with contextlib.ExitStack() as stack:
        if latency_ms:
            port = _free_port()
            stack.enter_context(background("delay_proxy.py", port, server.port, latency_ms))
        certificate = server.folder / "certs" / "apiserver.crt"
        stack.enter_context(
            background("play_node.py", server.server, server.node_token, certificate, NAMESPACE)
        )
        configure(server, port, folder)
        tasks = list(workloads(count))
        running = stack.enter_context(executor(tasks))
        before = calls(server)
        beats, took_s = drive(running, tasks)
        deadline = time.monotonic() + GIVE_UP_S
        while (spent := calls(server) - before)["delete"] < count:
            assert time.monotonic() < deadline, spent
            time.sleep(0.2)
    per_task = {verb: spent[verb] / count for verb in ("create", "delete", "get")}
    return {
        "latency_ms": latency_ms,
        "tasks": count,
        "tasks_per_s": count / took_s,
        "blocked_ms_per_task": 1000 * sum(beats) / count,
        "longest_heartbeat_ms": 1000 * max(beats),
        "calls_per_task": per_task,
    }


def drive(running, tasks):
    """Queue all tasks and beat until each has ended; return the beats' seconds, and the whole."""
    began_s = time.monotonic()
    for work in tasks:
        running.queue_workload(work, session=None)
    beats, ended = [], 0
    while ended < len(tasks):
        beat_s = time.perf_counter()
        running.heartbeat()
        beats.append(time.perf_counter() - beat_s)
        ended += len(running.get_event_buffer())
        assert time.monotonic() - began_s < GIVE_UP_S, f"{ended} of {len(tasks)} ended"
        time.sleep(HEARTBEAT_S)
    return beats, time.monotonic() - began_s


def calls(server):
    """Return how often the executor used each verb on pods."""
    found = Counter()
    for line in (server.folder / "audit.log").read_text().splitlines():
        event = json.loads(line)
        if event["user"]["username"] == "test" and event["stage"] == "ResponseComplete":
            found[event["verb"]] += 1
    return found


def memory(server, folder, *, count):
    """Return megabytes per 10,000 live tasks, and the executor's threads."""
    configure(server, server.port, folder, MAX_STARTING_PODS=10 * count)
    tasks = list(workloads(count))
    with executor(tasks) as running:
        running.heartbeat()
        before = resident_mb()
        for work in tasks:
            running.queue_workload(work, session=None)
        deadline = time.monotonic() + GIVE_UP_S
        while running._loop._bridge.stats().pending < count:
            running.heartbeat()
            assert time.monotonic() < deadline, running._loop._bridge.stats()
            time.sleep(HEARTBEAT_S)
        grown = resident_mb() - before
        threads = [thread.name for thread in threading.enumerate() if thread.name != "MainThread"]
    return {"live": count, "mb_per_10k": grown * 10_000 / count, "threads": threads}


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--live", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, api_server(Path(name)) as server:
        figures = [
            run(server, Path(name), latency_ms=latency_ms, count=options.tasks)
            for latency_ms in (0, 50, 150)
        ]
        held = memory(server, Path(name), count=options.live)
    report(figures, held, as_json=options.json)


def report(figures, held, *, as_json):
    if as_json:
        print(json.dumps({"runs": figures, "memory": held}, indent=2))
        return
    headings = ("API ms", "tasks", "tasks/s", "ms blocked per task", "longest heartbeat ms")
    table = Table(*headings, "creates", "deletes", "gets")
    for row in figures:
        values = (row["tasks_per_s"], row["blocked_ms_per_task"], row["longest_heartbeat_ms"])
        shown = [f"{value:.2f}" for value in (*values, *row["calls_per_task"].values())]
        table.add_row(str(row["latency_ms"]), str(row["tasks"]), *shown)
    Console().print(table)
    print(
        f"{held['live']} live tasks: {held['mb_per_10k']:.1f} MB per 10,000; "
        f"threads {', '.join(held['threads'])}"
    )


if __name__ == "__main__":
    main()
