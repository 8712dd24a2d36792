"""Cluster tier: the release that `./task up` installed, on the cluster that KUBECONFIG names.

`./task test:cluster` brings the release up and passes KUBECONFIG, CONTEXT and REGISTRY.
"""

import os
from pathlib import Path

import pytest

from tradewind_tools import airflow_api
from tradewind_tools.target import Target


@pytest.fixture(scope="session")
def target():
    missing = [name for name in ("KUBECONFIG", "CONTEXT", "REGISTRY") if not os.environ.get(name)]
    if missing:
        pytest.fail(f"{', '.join(missing)} not set: run `./task test:cluster`")
    return Target(
        name="tests",
        kubeconfigs=tuple(map(Path, os.environ["KUBECONFIG"].split(os.pathsep))),
        context=os.environ["CONTEXT"],
        registry=os.environ["REGISTRY"],
        is_local=False,
    )


@pytest.fixture(scope="session")
def airflow(target):
    with airflow_api.connect(target) as connected:
        yield connected
