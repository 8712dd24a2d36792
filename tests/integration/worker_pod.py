"""A real worker process and its surroundings: API server on loopback, token, termination message.

Its fixtures are for the conftest of whichever tier wants them.
"""

import json
import os
import subprocess
import sys
import time
import uuid

import pytest

from tradewind import contract
from tradewind.testing.fake_airflow import FakeAirflow

TOKEN = "eyJ.of-the-pod"
WORKLOAD_TOKEN = "eyJ.of-the-workload"


@pytest.fixture
def airflow():
    with FakeAirflow().started() as server:
        yield server


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


@pytest.fixture
def a_task():
    """Return a function that makes the workload of a task of a DAG file, as it is delivered."""

    def make(dag_file):
        ti = {
            "id": str(uuid.uuid4()),
            "dag_version_id": str(uuid.uuid4()),
            "dag_id": "tiny",
            "task_id": "work",
            "run_id": "manual__1",
            "try_number": 1,
            "map_index": -1,
            "pool_slots": 1,
            "priority_weight": 1,
            "queue": "default",
        }
        return {
            "type": "ExecuteTask",
            "ti": ti,
            "dag_rel_path": dag_file.name,
            "token": WORKLOAD_TOKEN,
            "bundle_info": {"name": "dags-folder"},
            "log_path": "tiny/work.log",
        }

    return make


@pytest.fixture
def dag_file(tmp_path):
    """Return a function that writes a DAG with one task, `work`, of these lines."""

    def write(*body, decorator="@task"):
        lines = "\n        ".join(body or ["pass"])
        path = tmp_path / "dags" / "tiny.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "from airflow.sdk import DAG, task\n"
            'with DAG("tiny", schedule=None):\n'
            f"    {decorator}\n"
            f"    def work():\n        {lines}\n"
            "    work()\n"
        )
        return path

    return write


def until(claim, within_s=30):
    """Wait until a claim about another process holds."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


class Pod:
    """One worker process and what it leaves behind."""

    def __init__(self, process, termination_file):
        self.process = process
        self._termination_file = termination_file

    def ended(self, within_s=60):
        self.stdout, self.stderr = self.process.communicate(timeout=within_s)
        return self.process.returncode

    @property
    def lines(self):
        """What was logged, in order; whatever is no JSON line fails."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def printed(self):
        return self.stdout + self.stderr

    @property
    def farewell(self):
        return contract.Farewell.decode(self._termination_file.read_text())


@pytest.fixture
def pod(airflow, token_file, tmp_path):
    """Return a function that starts a worker with these arguments and this further environment."""
    started = []
    termination_file = tmp_path / "termination-log"

    def start(*arguments, program="tradewind.worker", **environment):
        termination_file.write_text("")
        surroundings = {
            # As in an image, whose bytecode is compiled: without it every start takes seconds.
            "PYTHONDONTWRITEBYTECODE": "",
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW_CONFIG": os.devnull,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": airflow.execution_url,
            contract.ENV_URL: airflow.board_url,
            contract.ENV_TOKEN_FILE: str(token_file),
            contract.ENV_TERMINATION_FILE: str(termination_file),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", program, *arguments],
            env=os.environ | surroundings | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Pod(process, termination_file)

    yield start
    for process in started:
        process.kill()
        process.communicate()
