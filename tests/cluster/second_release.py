"""A second release of the chart beside the one under test, in a namespace of its own."""

import os
import secrets
import subprocess
import tempfile
from contextlib import contextmanager

import yaml

from tradewind_tools import airflow_api, images, kubectl, release

NO_NODE_PORT = {"service": {"type": "ClusterIP", "nodePort": None}}


@contextmanager
def installed(target, *, executor):
    """Install the chart with another executor; yield a client of its API, and remove it."""
    namespace = f"reference-{secrets.token_hex(3)}"
    values = {
        "executor": {"class": executor},
        "apiServer": NO_NODE_PORT,
        # LocalExecutor tasks share the scheduler's pod: more at once starve the API server.
        "airflow": {"config": {"core": {"parallelism": 4}}},
    }
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            yaml.safe_dump(values, file)
            file.flush()
            _install(target, namespace, [release.VALUES, images.values_file(target), file.name])
        with airflow_api.connect(target, namespace=namespace) as airflow:
            yield airflow
    finally:
        kubectl.run(target, "delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def _install(target, namespace, values):
    files = [argument for file in values for argument in ("--values", str(file))]
    command = [os.environ["HELM"], "install", airflow_api.RELEASE, str(release.CHART), *files]
    command += ["--namespace", namespace, "--create-namespace", "--wait", "--timeout", "8m"]
    done = subprocess.run(
        [*command, *target.helm_arguments],
        env=os.environ | target.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
