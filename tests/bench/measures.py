"""The measurements of `side_by_side.py`, one by one, each on a `Rig`; each returns its figures."""

import functools
import json
import subprocess
import sys
from pathlib import Path

from clones import clones
from subjects import OURS, SUBJECTS

HERE = Path(__file__).parent
SETTLED_S = 120
SUBMITTED_S = 600
AT_ONCE = 64
"""Calls at once of the client that knows nothing of Airflow; more were not faster."""
VERBS = ("create", "get", "patch", "delete", "list")


def end_to_end(rig, name, *, shape, tasks):
    """Run all tasks of a shape; return figures and calls per task."""
    with (
        rig.namespace() as namespace,
        rig.node(namespace),
        rig.subject("run", SUBJECTS[name], namespace, count=tasks, shape=shape) as subject,
    ):
        figures = subject.answer()
        # Deletes come after the end of a task, and nobody waits for them.
        rig.calls.await_calls(namespace, "delete", tasks, within_s=SETTLED_S)
        counts = rig.calls.counts(namespace)
        spent = {verb: counts[verb] / tasks for verb in VERBS}
    return {"executor": name} | figures | {"calls_per_task": spent}


def submit_rate(rig, name, *, latency_ms, tasks):
    """Queue all tasks at once; return pods per second, by the API server's clock."""
    with (
        rig.namespace() as namespace,
        rig.latency(latency_ms) as port,
        rig.subject("submit", SUBJECTS[name], namespace, port=port, count=tasks) as subject,
    ):
        subject.answer()
        look, within_s = subject.look, SUBMITTED_S
        rig.calls.await_calls(namespace, "create", tasks, within_s=within_s, look=look)
        rate = rig.calls.rate(namespace, "create")
    return {"executor": name, "latency_ms": latency_ms, "pods": tasks, "per_s": rate}


def ceiling(rig, *, latency_ms, pods):
    """Return pods per second that one client can create which does nothing else.

    The pods are like this executor's, so that the API server has the same to do.
    """
    with rig.namespace() as namespace, rig.latency(latency_ms) as port:
        model = _a_pod(rig, OURS)
        rig.create(clones(model, namespace=namespace, count=pods), port=port, at_once=AT_ONCE)
        rig.calls.await_calls(namespace, "create", pods, within_s=SETTLED_S)
        rate = rig.calls.rate(namespace, "create")
    return {"executor": "API server", "latency_ms": latency_ms, "pods": pods, "per_s": rate}


def adoption(rig, name, *, pods, repeats):
    """Let one scheduler after the other take over so many pods; return the seconds of each."""
    with rig.namespace() as namespace:
        leave = _left_running if name == OURS else _left_pending
        run_id, weight = leave(rig, name, namespace, pods)
        adopted = []
        for job in range(2, 2 + repeats):
            words = {"count": pods, "run_id": run_id, "job": job}
            with rig.subject("adopt", SUBJECTS[name], namespace, **words) as subject:
                adopted.append(subject.answer())
    return [{"executor": name} | weight | row for row in adopted]


def _left_running(rig, name, namespace, pods):
    """Have an executor start tasks that never end, and end it; return their run and its weight."""
    with (
        rig.node(namespace, "hold"),
        rig.subject("hold", SUBJECTS[name], namespace, count=pods) as subject,
    ):
        answer = subject.answer()
    return answer["run_id"], {"mb_per_10k": answer["mb_per_10k"]}


def _left_pending(rig, name, namespace, pods):
    """Have an executor create one pod, and the others made like it, which takes minutes less."""
    words = {"count": pods, "queued": 1}
    with rig.subject("submit", SUBJECTS[name], namespace, **words) as subject:
        run_id = subject.answer()["run_id"]
        rig.calls.await_calls(namespace, "create", 1, within_s=SETTLED_S, look=subject.look)
    path = f"/api/v1/namespaces/{namespace}/pods"
    [model] = rig.ask("GET", path)["items"]
    others = clones(model, namespace=namespace, count=pods)[1:]
    rig.create(others, port=rig.server.port, at_once=AT_ONCE)
    return run_id, {}


@functools.cache
def _a_pod(rig, name):
    """Return a pod as an executor creates it."""
    with (
        rig.namespace() as namespace,
        rig.subject("submit", SUBJECTS[name], namespace, count=1) as subject,
    ):
        rig.calls.await_calls(namespace, "create", 1, within_s=SETTLED_S, look=subject.look)
        return rig.ask("GET", f"/api/v1/namespaces/{namespace}/pods")["items"][0]


def record_events(rig, *, tasks):
    """Run tasks and return a file with all that a watch told of their pods."""
    file = rig.folder / "events"
    with (
        rig.namespace() as namespace,
        rig.recorded(namespace, file),
        rig.node(namespace),
        rig.subject("run", SUBJECTS[OURS], namespace, count=tasks, shape="mapped") as subject,
    ):
        subject.answer()
    # The recorder was ended in the midst of a line, for all we know.
    lines = file.read_bytes().rpartition(b"\n")[0].splitlines()
    events = [line for line in lines if json.loads(line)["type"] != "BOOKMARK"]
    file.write_bytes(b"\n".join(events) + b"\n")
    return file


def watch_rate(name, who, file):
    """Return how many of the recorded events a client takes in a second."""
    command = [sys.executable, str(HERE / "watch_costs.py"), who, str(file)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"executor": name} | json.loads(answer)


def constructed(rig, name):
    """Return what constructing a hundred executors opens."""
    with rig.subject("construct", SUBJECTS[name], "default") as subject:
        return {"executor": name} | subject.answer()
