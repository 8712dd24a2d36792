"""A real worker, a real `airflow api-server`, a real kube-apiserver's token: and nobody answers."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from boarding_rig import claimed
from issued_tokens import Issuer
from kube_apiserver import connect
from serving_airflow import Airflow
from worker_pod import airflow, pod, token_file, until

__all__ = ["airflow", "pod", "token_file"]

# Airflow's API server may take three minutes to start, and it does so twice here.
pytestmark = pytest.mark.timeout(600)
AWAY_S = 8
ROWS = Path(__file__).parent / "rows_of_another.py"
DAG = """
from airflow.sdk import DAG, task

with DAG({dag_id!r}, schedule=None):

    @task
    def work():
        return 42

    work()
"""


@pytest.fixture
def served(api_server, tmp_path):
    """Return a real API server whose boarding endpoint is ready."""
    namespace = "default"
    bundle = {
        "name": "tests",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(tmp_path / "dags")},
    }
    with Airflow(tmp_path, api_server, namespace=namespace, bundle=bundle) as serving:
        yield serving


def ask_rows(serving, *words):
    done = subprocess.run(
        [sys.executable, ROWS, *words],
        env=serving.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


async def token_of_a_pod_of(server, row, *, namespace="default"):
    """Return the token of a pod that was made for the row's launch."""
    cluster = connect(server)
    try:
        issuer = Issuer(cluster, namespace)
        await issuer.account("worker")
        labels = {
            "tradewind/installation": Airflow.INSTALLATION,
            "tradewind/launch-id": row["launch_id"],
        }
        made = await issuer.pod("cold", labels=labels, annotations=claimed(row["id"]))
        return await issuer.token(pod=made)
    finally:
        await cluster.close()


def test_a_task_waits_for_an_api_server_that_comes_back(
    api_server, served, pod, token_file, tmp_path
):
    row = ask_rows(served, "make")
    (tmp_path / "dags").mkdir(exist_ok=True)
    (tmp_path / "dags" / "d.py").write_text(DAG.format(dag_id=row["dag_id"]))
    token_file.write_text(asyncio.run(token_of_a_pod_of(api_server, row)))
    served.stop()
    began = time.monotonic()
    worker = pod(
        TRADEWIND_BOARD_URL=f"{served.url}/tradewind/v1/board",
        TRADEWIND_BOARD_BUDGET="300",
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"{served.url}/execution/",
        AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST=served.bundles,
    )
    until(lambda: time.monotonic() - began > AWAY_S)
    assert worker.process.poll() is None, "a pod goes on asking"
    served.start()
    assert worker.ended(within_s=120) == 0, worker.printed[-3000:]
    assert worker.farewell.ended == "ran"
    assert any("cannot be reached" in line["event"] for line in worker.lines)
    assert ask_rows(served, "state", row["id"]) == "success"
    assert token_file.read_text() not in worker.printed + served.log
