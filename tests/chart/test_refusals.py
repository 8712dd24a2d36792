"""Values that contradict each other are refused, in one sentence with the remedy."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(
            ["--set=apiserver.replicas=2"],
            "additional properties 'apiserver' not allowed",
            id="unknown-key",
        ),
        pytest.param(["--set=scheduler.replicas=two"], "want integer", id="wrong-type"),
        pytest.param(
            ["--set=database.external.host=db"],
            "set database.external.existingSecret",
            id="external-database-without-secret",
        ),
        pytest.param(
            ["--set=database.external.existingSecret=db"],
            "set database.external.host or database.external.uriKey",
            id="secret-without-external-database",
        ),
        pytest.param(
            ["--set=apiServer.service.nodePort=30080"],
            "needs apiServer.service.type NodePort or LoadBalancer",
            id="node-port-of-cluster-ip",
        ),
        pytest.param(
            ["--set=executor.class=LocalExecutor", "--set=scheduler.replicas=2"],
            "LocalExecutor runs tasks in the scheduler, and scheduler.replicas is 2",
            id="two-local-executors",
        ),
        pytest.param(
            ["--set=airflow.dagBundles.x.kwargs.path=/x"],
            "airflow.dagBundles.x has no classpath",
            id="bundle-without-class",
        ),
        pytest.param(
            ["--set=airflow.config.core.fernet_key=abc"],
            "airflow.config.core.fernet_key is the chart's to set",
            id="secret-in-config",
        ),
    ],
)
def test_contradictions_are_refused_with_a_sentence(template, arguments, sentence):
    result = template(*arguments)
    assert result.returncode != 0
    assert sentence in result.stderr
