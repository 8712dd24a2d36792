"""Memory and time of the janitor at many pods, against a real API server and a stub of Airflow.

`./task bench:janitor [PODS]` prints JSON: resident memory of a janitor of its own process once it
has swept all pods, the seconds of its sweeps, as its metrics page tells them, and the machine's
load. It runs with what images/janitor installs: where the Kubernetes client is installed, as it is
here, kopf loads it, 80 MiB.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

from airflow_stub import AirflowStub
from kube_apiserver import ApiServer, connect

import tradewind
from tradewind.janitor.settings import PREFIX
from tradewind.pods import labels
from tradewind.testing.builders import base_running

PORT = 18_080
SWEEPS = 4
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


def row(pod, number):
    task = pod["metadata"]["annotations"]
    place = (task["dag_id"], task["run_id"], task["task_id"], -1)
    names = ("dag_id", "dag_run_id", "task_id", "map_index")
    more = {"id": f"row-{number}", "try_number": 1, "state": "running"}
    return place, dict(zip(names, place, strict=True)) | more


async def fill(cluster, airflow, count):
    async def create(number):
        pod = a_pod(number)
        await cluster.create_pod("default", pod)
        path = f"/api/v1/namespaces/default/pods/pod-{number}/status"
        body, kind = {"status": base_running()}, "application/strategic-merge-patch+json"
        await cluster.transport.call("PATCH", path, body=body, content_type=kind)
        place, told = row(pod, number)
        airflow.rows[place] = told

    for start in range(0, count, 50):
        await asyncio.gather(*(create(n) for n in range(start, min(start + 50, count))))


def page():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
        return answer.read().decode()


def figure(name, text):
    found = re.search(rf"^{name} (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def memory_mib(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return {
        name: round(int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024, 1)
        for name, key in (("resident_mib", "VmRSS"), ("peak_mib", "VmHWM"))
    }


async def measured(process, count):
    """Return the figures once a number of sweeps over all pods are done."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        await asyncio.sleep(2)
        try:
            text = await asyncio.to_thread(page)
        except OSError:
            continue
        sweeps = figure("tradewind_janitor_sweep_seconds_count", text)
        if figure(r'tradewind_janitor_pods\{reason="in-use"\}', text) >= count and sweeps >= SWEEPS:
            total = figure("tradewind_janitor_sweep_seconds_sum", text)
            mean = {"sweeps": int(sweeps), "mean_sweep_s": round(total / sweeps, 2)}
            return {"pods": count, **memory_mib(process), **mean}
    raise TimeoutError("the janitor has not swept all pods within 600 s")


async def main(count):
    airflow = AirflowStub()
    await airflow.server.start_server()
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.to_thread(ApiServer, Path(folder))
        await asyncio.to_thread(server.start)
        cluster = connect(server)
        process = None
        try:
            await fill(cluster, airflow, count)
            process = start(server, airflow, Path(folder))
            told = await measured(process, count) | {"load": round(os.getloadavg()[0], 1)}
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


def start(server, airflow, folder):
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
        "PORT": str(PORT),
    }
    environment = {PREFIX + name: value for name, value in told.items()}
    environment["PYTHONPATH"] = str(Path(tradewind.__file__).parents[1])
    command = [interpreter(folder), "-m", "tradewind.program", "janitor", "run"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
