"""Cluster tier: the release that `./task up` installed, on the cluster that KUBECONFIG names.

`./task test:cluster` brings the release up and passes KUBECONFIG, CONTEXT and REGISTRY.
"""

import os

import pytest
from release_under_test import under_test

from tradewind_tools import airflow_api


@pytest.fixture(scope="session")
def target():
    missing = [name for name in ("KUBECONFIG", "CONTEXT", "REGISTRY") if not os.environ.get(name)]
    if missing:
        pytest.fail(f"{', '.join(missing)} not set: run `./task test:cluster`")
    return under_test()


@pytest.fixture(scope="session")
def airflow(target):
    with airflow_api.connect(target) as connected:
        yield connected
