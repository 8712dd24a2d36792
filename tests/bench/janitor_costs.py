"""Memory, sweeps and deletions of the janitor at many pods: a real API server, a stub of Airflow.

`./task bench:janitor [PODS]` prints JSON: resident memory of a janitor of its own process once it
has swept all pods and deleted the orphans, one in a hundred; every sweep as its log tells it; pods
that went although their tasks run; and the machine's load. It runs with what images/janitor
installs: where the Kubernetes client is installed, as it is here, kopf loads it, 80 MiB.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from airflow_stub import AirflowStub
from kube_apiserver import ApiServer, connect

import tradewind
from tradewind.janitor.settings import PREFIX
from tradewind.pods import labels
from tradewind.testing.builders import base_ended, base_running

EACH_ORPHAN = 100
QUIET_SWEEPS = 4
"""With nothing left to delete."""
WITHIN_S = 600
REQUIREMENTS = Path(__file__).parents[2] / "images" / "janitor" / "requirements.txt"
FILLING = {f"VARIABLE_{n}": "x" * 60 for n in range(25)}
"""About what a real pod carries: 25 variables."""


def a_pod(number):
    name, run = f"pod-{number}", f"r{number % 200}"
    task = {"dag_id": f"dag-{number % 50}", "task_id": f"t{number}", "run_id": run}
    marks = {labels.LAUNCH_ID: str(uuid.uuid4()), labels.INSTALLATION: "bench"}
    env = [{"name": key, "value": value} for key, value in FILLING.items()]
    return {
        "metadata": {
            "name": name,
            "labels": marks | task | {"kubernetes_executor": "True"},
            "annotations": task | {"try_number": "1", labels.ROW_ID: f"row-{number}"},
        },
        "spec": {"containers": [{"name": "base", "image": "worker:1", "env": env}]},
    }


def is_orphan(number):
    """Whether the pod of a task that is over was left behind, with nobody to delete it."""
    return number % EACH_ORPHAN == 0


async def fill(cluster, airflow, count):
    async def create(number):
        pod = a_pod(number)
        await cluster.create_pod("default", pod)
        path = f"/api/v1/namespaces/default/pods/pod-{number}/status"
        status = base_ended(0) if is_orphan(number) else base_running()
        body, kind = {"status": status}, "application/strategic-merge-patch+json"
        await cluster.transport.call("PATCH", path, body=body, content_type=kind)
        task = {name: pod["metadata"]["labels"][name] for name in ("dag_id", "task_id", "run_id")}
        state = "success" if is_orphan(number) else "running"
        airflow.tell(task.pop("task_id"), state, row_id=f"row-{number}", **task)

    for start in range(0, count, 50):
        await asyncio.gather(*(create(n) for n in range(start, min(start + 50, count))))


def memory_mib(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return {
        name: round(int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024, 1)
        for name, key in (("resident_mib", "VmRSS"), ("peak_mib", "VmHWM"))
    }


def sweeps_in(log):
    """Return the lines that the janitor wrote after its sweeps."""
    told = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in told if line["event"].startswith("swept ")]


async def settled(log, count):
    """Wait for sweeps that found no orphan any more; return all of them."""
    orphans = len([n for n in range(count) if is_orphan(n)])
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        await asyncio.sleep(2)
        sweeps = sweeps_in(log)
        quiet = [s for s in sweeps if s["pods"] == {"in-use": count - orphans}]
        if len(quiet) >= QUIET_SWEEPS:
            return sweeps
    raise TimeoutError(f"not settled within {WITHIN_S} s, the last sweeps: {sweeps_in(log)[-3:]}")


async def wrongly_gone(cluster, count):
    """Return how many pods are missing whose tasks run."""
    left, token = set(), ""
    while True:
        page = await cluster.list_pods("default", selector="", limit=500, resume=token)
        left |= {pod.metadata.name for pod in page.items}
        token = page.metadata.resume
        if not token:
            break
    return len({f"pod-{n}" for n in range(count) if not is_orphan(n)} - left)


def in_short(sweeps):
    """Return seconds, questions to Airflow and verdicts of each sweep."""
    return [{key: sweep[key] for key in ("seconds", "questions", "pods")} for sweep in sweeps]


async def main(count):
    airflow = AirflowStub()
    await airflow.server.start_server()
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.to_thread(ApiServer, Path(folder))
        await asyncio.to_thread(server.start)
        cluster = connect(server)
        process, log = None, Path(folder, "janitor.log")
        try:
            await fill(cluster, airflow, count)
            process = start(server, airflow, Path(folder), log=log)
            sweeps = await settled(log, count)
            told = {
                "pods": count,
                **memory_mib(process),
                "longest_sweep_s": max(sweep["seconds"] for sweep in sweeps),
                "wrongly_gone": await wrongly_gone(cluster, count),
                "load": round(os.getloadavg()[0], 1),
                "sweeps": in_short(sweeps),
            }
            sys.stdout.write(json.dumps(told) + "\n")
        finally:
            if process is not None:
                process.kill()
            await cluster.close()
            await asyncio.to_thread(server.stop)
            await airflow.server.close()


def interpreter(folder):
    """Return a Python with what the image has, and nothing else."""
    own = folder / "python"
    install = ["uv", "pip", "install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
    subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(own)], check=True)
    subprocess.run([*install, "--python", str(own / "bin" / "python")], check=True)
    return str(own / "bin" / "python")


def start(server, airflow, folder, *, log):
    user = f"{{name: u, user: {{token: {server.token}}}}}"
    cluster = f"{{server: '{server.server}', insecure-skip-tls-verify: true}}"
    (folder / "kubeconfig").write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: c\nusers: [{user}]\n"
        f"clusters: [{{name: c, cluster: {cluster}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    (folder / "password").write_text("x")
    told = {
        "NAMESPACES": "default",
        "INSTALLATION": "bench",
        "AIRFLOW_URL": airflow.url,
        "AIRFLOW_USERNAME": "janitor",
        "AIRFLOW_PASSWORD_FILE": str(folder / "password"),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "SWEEP_INTERVAL_S": "5",
        "AGE_FLOOR_S": "1",
        "ENDED_GRACE_S": "5",
        "DRY_RUN": "false",
        "PORT": "0",
    }
    environment = {PREFIX + name: value for name, value in told.items()}
    environment["PYTHONPATH"] = str(Path(tradewind.__file__).parents[1])
    command = [interpreter(folder), "-m", "tradewind.program", "janitor", "run"]
    with log.open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
