"""Upstream's table of refused pod creations, judged by our decisions.

Its test drives upstream's queue and cannot run against ours, but its rows are answers of an API
server and whether the create is repeated. They are read off the test, where upstream keeps them.
"""

import importlib.util
import os
from pathlib import Path

import pytest
from kubernetes.client.rest import ApiException

from oracle import verdicts


def upstream_rows():
    """Return the rows of answers to a create that upstream may repeat."""
    path = Path(os.environ["UPSTREAM_TESTS"], verdicts.EXECUTOR)
    spec = importlib.util.spec_from_file_location("upstream_executor_tests", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    test = module.TestKubernetesExecutor.test_run_next_exception_requeue
    (table,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    names, rows = table.args
    found = []
    for row in rows:
        known = dict(zip(names, row.values, strict=True))
        # Ours repeats for a span of time, not a number of times: without repeats is upstream's own.
        if known["task_publish_max_retries"]:
            expected = known["should_requeue"], known["retry_delay"] or 0
            marks = [GONE] if known["response"].status == 410 else []
            found.append(pytest.param(known["response"], *expected, id=row.id, marks=marks))
    return found


GONE = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="410 answers a watch or a list; a create has no version that could be too old",
)


@pytest.mark.parametrize(("response", "is_repeated", "least_wait_s"), upstream_rows())
def test_a_refused_create_is_repeated_as_by_upstream(
    response, is_repeated, least_wait_s, pytestconfig
):
    if pytestconfig.getoption("against") == "upstream":
        pytest.skip("upstream's own test judges these rows")
    from oracle import adapter  # noqa: PLC0415 - imports ours, which the control must not need

    error = ApiException(http_resp=response)
    assert adapter.should_retry_api(error) == is_repeated
    if is_repeated:
        assert adapter.wait_s(error, attempt=1) >= least_wait_s
